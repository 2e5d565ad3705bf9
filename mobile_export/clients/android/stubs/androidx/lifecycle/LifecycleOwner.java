package androidx.lifecycle;

/** Stub to compile against: what is called of LifecycleOwner here; nothing runs. */
public interface LifecycleOwner { }
