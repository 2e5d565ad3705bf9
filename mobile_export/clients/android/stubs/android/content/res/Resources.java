package android.content.res;

/** Stub to compile against: what this project calls of Resources, and nothing that runs. */
public class Resources { }
