package android.content;

import android.content.res.AssetManager;
import android.content.res.Resources;

/** Stub to compile against: what is called of Context here; nothing runs. */
public abstract class Context {
    public native AssetManager getAssets();
    public native Resources getResources();
    public native ContentResolver getContentResolver();
}
