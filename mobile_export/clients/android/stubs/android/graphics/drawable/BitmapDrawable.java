package android.graphics.drawable;

import android.content.res.Resources;
import android.graphics.Bitmap;

/** Stub to compile against: what is called of BitmapDrawable here; nothing runs. */
public class BitmapDrawable extends Drawable {
    public BitmapDrawable(Resources resources, Bitmap bitmap) { }
    @Override public native boolean isFilterBitmap();
    @Override public native void setFilterBitmap(boolean filter);
}
