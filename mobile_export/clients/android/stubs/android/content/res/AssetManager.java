package android.content.res;

import java.io.IOException;

/** Stub to compile against: what is called of AssetManager here; nothing runs. */
public final class AssetManager {
    public native AssetFileDescriptor openFd(String fileName) throws IOException;
}
