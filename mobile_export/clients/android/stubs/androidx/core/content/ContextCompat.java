package androidx.core.content;

import android.content.Context;
import java.util.concurrent.Executor;

/** Stub to compile against: what is called of ContextCompat here; nothing runs. */
public class ContextCompat {
    public static native Executor getMainExecutor(Context context);
}
