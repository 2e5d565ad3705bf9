package android.widget;

import android.content.Context;

/** Stub to compile against: what this project calls of AbsSeekBar, and nothing that runs. */
public abstract class AbsSeekBar extends ProgressBar {
    public AbsSeekBar(Context context) { super(context); }
}
