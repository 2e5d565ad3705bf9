package android.widget;

import android.content.Context;
import android.view.ViewGroup;

/** Stub to compile against: what is called of FrameLayout here; nothing runs. */
public class FrameLayout extends ViewGroup {
    public FrameLayout(Context context) { super(context); }
    public static class LayoutParams extends ViewGroup.LayoutParams {
        public LayoutParams(int width, int height) { super(width, height); }
    }
}
