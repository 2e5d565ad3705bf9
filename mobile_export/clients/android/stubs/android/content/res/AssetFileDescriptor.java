package android.content.res;

import java.io.Closeable;
import java.io.FileDescriptor;
import java.io.IOException;

/** Stub to compile against: what is called of AssetFileDescriptor here; nothing runs. */
public class AssetFileDescriptor implements Closeable {
    public native FileDescriptor getFileDescriptor();
    public native long getStartOffset();
    public native long getDeclaredLength();
    public native void close() throws IOException;
}
