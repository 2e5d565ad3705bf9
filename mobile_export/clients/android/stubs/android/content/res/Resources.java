package android.content.res;

/** Stub to compile against: what is called of Resources here; nothing runs. */
public class Resources { }
