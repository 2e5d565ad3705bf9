package androidx.lifecycle;

/** Stub to compile against: what this project calls of LifecycleOwner, and nothing that runs. */
public interface LifecycleOwner { }
