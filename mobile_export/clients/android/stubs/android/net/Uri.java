package android.net;

/** Stub to compile against: what this project calls of Uri, and nothing that runs. */
public abstract class Uri { }
