package android.content;

/** Stub to compile against: what this project calls of ContextWrapper, and nothing that runs. */
public class ContextWrapper extends Context { }
