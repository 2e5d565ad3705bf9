package androidx.camera.core;

/** Stub to compile against: what this project calls of CameraSelector, and nothing that runs. */
public final class CameraSelector {
    public static final CameraSelector DEFAULT_BACK_CAMERA = null;
}
