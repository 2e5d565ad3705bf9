package android.widget;

import android.content.Context;
import android.view.View;

/** Stub to compile against: what this project calls of TextView, and nothing that runs. */
public class TextView extends View {
    public TextView(Context context) { super(context); }
    public native CharSequence getText();
    public final native void setText(CharSequence text);
}
