package android.content;

/** Stub to compile against: what is called of ContextWrapper here; nothing runs. */
public class ContextWrapper extends Context { }
