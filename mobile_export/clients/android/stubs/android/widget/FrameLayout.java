package android.widget;

import android.content.Context;
import android.view.ViewGroup;

/** Stub to compile against: what this project calls of FrameLayout, and nothing that runs. */
public class FrameLayout extends ViewGroup {
    public FrameLayout(Context context) { super(context); }
    public static class LayoutParams extends ViewGroup.LayoutParams {
        public LayoutParams(int width, int height) { super(width, height); }
    }
}
