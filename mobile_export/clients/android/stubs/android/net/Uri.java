package android.net;

/** Stub to compile against: what is called of Uri here; nothing runs. */
public abstract class Uri { }
