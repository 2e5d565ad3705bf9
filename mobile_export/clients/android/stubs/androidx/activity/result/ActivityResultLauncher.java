package androidx.activity.result;

/** Stub to compile against: what is called of ActivityResultLauncher here; nothing runs. */
public abstract class ActivityResultLauncher<I> {
    public native void launch(I input);
}
