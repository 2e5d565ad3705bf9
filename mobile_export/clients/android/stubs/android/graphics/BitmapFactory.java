package android.graphics;

import java.io.InputStream;

/** Stub to compile against: what is called of BitmapFactory here; nothing runs. */
public class BitmapFactory {
    public static native Bitmap decodeStream(InputStream stream);
}
