package android.graphics;

import java.io.InputStream;

/** Stub to compile against: what this project calls of BitmapFactory, and nothing that runs. */
public class BitmapFactory {
    public static native Bitmap decodeStream(InputStream stream);
}
