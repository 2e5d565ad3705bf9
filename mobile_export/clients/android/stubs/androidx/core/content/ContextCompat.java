package androidx.core.content;

import android.content.Context;
import java.util.concurrent.Executor;

/** Stub to compile against: what this project calls of ContextCompat, and nothing that runs. */
public class ContextCompat {
    public static native Executor getMainExecutor(Context context);
}
