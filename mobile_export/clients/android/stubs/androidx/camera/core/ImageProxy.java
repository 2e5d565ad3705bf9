package androidx.camera.core;

import android.graphics.Bitmap;

/** Stub to compile against: what is called of ImageProxy here; nothing runs. */
public interface ImageProxy extends AutoCloseable {
    Bitmap toBitmap();
    @Override void close();
}
