package android.widget;

import android.content.Context;
import android.view.View;

/** Stub to compile against: what is called of TextView here; nothing runs. */
public class TextView extends View {
    public TextView(Context context) { super(context); }
    public native CharSequence getText();
    public final native void setText(CharSequence text);
}
