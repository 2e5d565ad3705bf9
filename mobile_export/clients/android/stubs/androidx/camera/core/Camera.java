package androidx.camera.core;

/** Stub to compile against: what this project calls of Camera, and nothing that runs. */
public interface Camera { }
