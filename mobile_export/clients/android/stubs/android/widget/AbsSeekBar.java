package android.widget;

import android.content.Context;

/** Stub to compile against: what is called of AbsSeekBar here; nothing runs. */
public abstract class AbsSeekBar extends ProgressBar {
    public AbsSeekBar(Context context) { super(context); }
}
