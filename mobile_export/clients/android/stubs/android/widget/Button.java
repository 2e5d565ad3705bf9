package android.widget;

import android.content.Context;

/** Stub to compile against: what is called of Button here; nothing runs. */
public class Button extends TextView {
    public Button(Context context) { super(context); }
}
