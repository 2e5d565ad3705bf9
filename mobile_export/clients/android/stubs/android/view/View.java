package android.view;

import android.content.Context;

/** Stub to compile against: what is called of View here; nothing runs. */
public class View {
    public View(Context context) { }
    public interface OnClickListener {
        void onClick(View view);
    }
    public native void setOnClickListener(OnClickListener listener);
    public native int getId();
    public native void setId(int id);
    public static native int generateViewId();
    public native boolean isEnabled();
    public native void setEnabled(boolean enabled);
    public native boolean getFitsSystemWindows();
    public native void setFitsSystemWindows(boolean fits);
}
