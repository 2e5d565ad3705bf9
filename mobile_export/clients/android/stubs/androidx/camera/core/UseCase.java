package androidx.camera.core;

/** Stub to compile against: what this project calls of UseCase, and nothing that runs. */
public abstract class UseCase { }
