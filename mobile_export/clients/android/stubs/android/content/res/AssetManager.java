package android.content.res;

import java.io.IOException;

/** Stub to compile against: what this project calls of AssetManager, and nothing that runs. */
public final class AssetManager {
    public native AssetFileDescriptor openFd(String fileName) throws IOException;
}
