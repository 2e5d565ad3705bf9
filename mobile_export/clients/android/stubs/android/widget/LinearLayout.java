package android.widget;

import android.content.Context;
import android.view.ViewGroup;

/** Stub to compile against: what is called of LinearLayout here; nothing runs. */
public class LinearLayout extends ViewGroup {
    public static final int VERTICAL = 1;
    public LinearLayout(Context context) { super(context); }
    public native int getOrientation();
    public native void setOrientation(int orientation);
    public static class LayoutParams extends ViewGroup.LayoutParams {
        public LayoutParams(int width, int height) { super(width, height); }
        public LayoutParams(int width, int height, float weight) { super(width, height); }
    }
}
