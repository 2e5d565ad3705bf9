package android.graphics.drawable;

/** Stub to compile against: what is called of Drawable here; nothing runs. */
public abstract class Drawable {
    public native boolean isFilterBitmap();
    public native void setFilterBitmap(boolean filter);
}
