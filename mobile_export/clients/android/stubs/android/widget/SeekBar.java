package android.widget;

import android.content.Context;

/** Stub to compile against: what is called of SeekBar here; nothing runs. */
public class SeekBar extends AbsSeekBar {
    public SeekBar(Context context) { super(context); }
    public interface OnSeekBarChangeListener {
        void onProgressChanged(SeekBar bar, int progress, boolean fromUser);
        void onStartTrackingTouch(SeekBar bar);
        void onStopTrackingTouch(SeekBar bar);
    }
    public native void setOnSeekBarChangeListener(OnSeekBarChangeListener listener);
}
