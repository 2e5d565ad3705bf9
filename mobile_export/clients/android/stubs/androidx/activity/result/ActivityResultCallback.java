package androidx.activity.result;

/** Stub to compile against: what this project calls of ActivityResultCallback, and nothing that runs. */
public interface ActivityResultCallback<O> {
    void onActivityResult(O result);
}
