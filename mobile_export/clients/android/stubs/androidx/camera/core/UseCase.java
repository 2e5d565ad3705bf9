package androidx.camera.core;

/** Stub to compile against: what is called of UseCase here; nothing runs. */
public abstract class UseCase { }
