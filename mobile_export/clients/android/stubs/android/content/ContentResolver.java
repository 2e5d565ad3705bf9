package android.content;

import android.net.Uri;
import java.io.FileNotFoundException;
import java.io.InputStream;

/** Stub to compile against: what this project calls of ContentResolver, and nothing that runs. */
public abstract class ContentResolver {
    public final native InputStream openInputStream(Uri uri) throws FileNotFoundException;
}
