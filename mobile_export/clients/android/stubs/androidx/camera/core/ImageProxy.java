package androidx.camera.core;

import android.graphics.Bitmap;

/** Stub to compile against: what this project calls of ImageProxy, and nothing that runs. */
public interface ImageProxy extends AutoCloseable {
    Bitmap toBitmap();
    @Override void close();
}
