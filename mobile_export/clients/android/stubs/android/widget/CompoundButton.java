package android.widget;

import android.content.Context;

/** Stub to compile against: what is called of CompoundButton here; nothing runs. */
public abstract class CompoundButton extends Button {
    public CompoundButton(Context context) { super(context); }
    public interface OnCheckedChangeListener {
        void onCheckedChanged(CompoundButton button, boolean isChecked);
    }
    public native boolean isChecked();
    public native void setChecked(boolean checked);
    public native void setOnCheckedChangeListener(OnCheckedChangeListener listener);
}
