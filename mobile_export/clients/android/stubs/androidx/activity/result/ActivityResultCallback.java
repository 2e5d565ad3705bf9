package androidx.activity.result;

/** Stub to compile against: what is called of ActivityResultCallback here; nothing runs. */
public interface ActivityResultCallback<O> {
    void onActivityResult(O result);
}
