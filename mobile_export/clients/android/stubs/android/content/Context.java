package android.content;

import android.content.res.AssetManager;
import android.content.res.Resources;

/** Stub to compile against: what this project calls of Context, and nothing that runs. */
public abstract class Context {
    public native AssetManager getAssets();
    public native Resources getResources();
    public native ContentResolver getContentResolver();
}
