package android.os;

/** Stub to compile against: what this project calls of Bundle, and nothing that runs. */
public final class Bundle { }
