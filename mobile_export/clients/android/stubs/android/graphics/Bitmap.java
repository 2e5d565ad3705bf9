package android.graphics;

/** Stub to compile against: what is called of Bitmap here; nothing runs. */
public final class Bitmap {
    public enum Config { ARGB_8888, HARDWARE }
    public native int getWidth();
    public native int getHeight();
    public native void getPixels(
        int[] pixels, int offset, int stride, int x, int y, int width, int height);
    public static native Bitmap createBitmap(int[] colors, int width, int height, Config config);
    public static native Bitmap createScaledBitmap(
        Bitmap source, int width, int height, boolean filter);
}
