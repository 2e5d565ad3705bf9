package android.widget;

import android.content.Context;

/** Stub to compile against: what this project calls of Button, and nothing that runs. */
public class Button extends TextView {
    public Button(Context context) { super(context); }
}
