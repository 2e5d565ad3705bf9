package android.os;

/** Stub to compile against: what is called of Bundle here; nothing runs. */
public final class Bundle { }
