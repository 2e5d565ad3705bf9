package android.widget;

import android.content.Context;

/** Stub to compile against: what is called of HorizontalScrollView here; nothing runs. */
public class HorizontalScrollView extends FrameLayout {
    public HorizontalScrollView(Context context) { super(context); }
}
