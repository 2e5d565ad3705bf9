package androidx.activity.result;

/** Stub to compile against: what this project calls of ActivityResultLauncher, and nothing that runs. */
public abstract class ActivityResultLauncher<I> {
    public native void launch(I input);
}
