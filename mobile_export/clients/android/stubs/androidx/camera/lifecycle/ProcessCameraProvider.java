package androidx.camera.lifecycle;

import android.content.Context;
import androidx.camera.core.Camera;
import androidx.camera.core.CameraSelector;
import androidx.camera.core.UseCase;
import androidx.lifecycle.LifecycleOwner;
import com.google.common.util.concurrent.ListenableFuture;

/** Stub to compile against: what is called of ProcessCameraProvider here; nothing runs. */
public final class ProcessCameraProvider {
    public static native ListenableFuture<ProcessCameraProvider> getInstance(Context context);
    public native void unbindAll();
    public native Camera bindToLifecycle(
        LifecycleOwner owner, CameraSelector selector, UseCase... useCases);
}
