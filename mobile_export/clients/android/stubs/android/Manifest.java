package android;

/** Stub to compile against: what is called of Manifest here; nothing runs. */
public final class Manifest {
    public static final class permission {
        public static final String CAMERA = "android.permission.CAMERA";
    }
}
