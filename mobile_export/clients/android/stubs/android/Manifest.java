package android;

/** Stub to compile against: what this project calls of Manifest, and nothing that runs. */
public final class Manifest {
    public static final class permission {
        public static final String CAMERA = "android.permission.CAMERA";
    }
}
