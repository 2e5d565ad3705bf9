package android.widget;

import android.content.Context;
import android.view.View;

/** Stub to compile against: what is called of ProgressBar here; nothing runs. */
public class ProgressBar extends View {
    public ProgressBar(Context context) { super(context); }
    public native int getMax();
    public native void setMax(int max);
    public native int getProgress();
    public native void setProgress(int progress);
}
