package android.graphics.drawable;

/** Stub to compile against: what this project calls of Drawable, and nothing that runs. */
public abstract class Drawable {
    public native boolean isFilterBitmap();
    public native void setFilterBitmap(boolean filter);
}
