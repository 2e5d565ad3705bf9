package androidx.camera.core;

/** Stub to compile against: what is called of Camera here; nothing runs. */
public interface Camera { }
