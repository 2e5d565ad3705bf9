package android.widget;

import android.content.Context;
import android.view.View;

/** Stub to compile against: what this project calls of ProgressBar, and nothing that runs. */
public class ProgressBar extends View {
    public ProgressBar(Context context) { super(context); }
    public native int getMax();
    public native void setMax(int max);
    public native int getProgress();
    public native void setProgress(int progress);
}
