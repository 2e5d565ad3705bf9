package androidx.activity.result.contract;

/** Stub to compile against: what is called of ActivityResultContract here; nothing runs. */
public abstract class ActivityResultContract<I, O> { }
