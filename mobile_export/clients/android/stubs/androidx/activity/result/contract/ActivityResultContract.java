package androidx.activity.result.contract;

/** Stub to compile against: what this project calls of ActivityResultContract, and nothing that runs. */
public abstract class ActivityResultContract<I, O> { }
