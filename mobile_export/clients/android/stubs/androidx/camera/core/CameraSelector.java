package androidx.camera.core;

/** Stub to compile against: what is called of CameraSelector here; nothing runs. */
public final class CameraSelector {
    public static final CameraSelector DEFAULT_BACK_CAMERA = null;
}
