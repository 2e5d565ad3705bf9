package android.widget;

import android.content.Context;

/** Stub to compile against: what this project calls of HorizontalScrollView, and nothing that runs. */
public class HorizontalScrollView extends FrameLayout {
    public HorizontalScrollView(Context context) { super(context); }
}
