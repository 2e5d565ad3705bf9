package io.tierseg.sample

import android.graphics.Bitmap
import androidx.appcompat.app.AppCompatActivity
import androidx.camera.core.CameraSelector
import androidx.camera.core.ImageAnalysis
import androidx.camera.lifecycle.ProcessCameraProvider
import androidx.core.content.ContextCompat
import java.util.concurrent.Executor

/**
 * The back camera's frames, upright; those that come while one is segmented are dropped.
 *
 * @param activity its life is the camera's.
 * @param executor calls [onFrame].
 * @param onFrame takes one frame.
 */
internal class Camera(
    private val activity: AppCompatActivity,
    private val executor: Executor,
    private val onFrame: (Bitmap) -> Unit,
) {

    private var provider: ProcessCameraProvider? = null

    /** Opens the camera; the permission must have been given. */
    fun start() {
        val future = ProcessCameraProvider.getInstance(activity)
        future.addListener(
            { provider = future.get().also { bind(it) } },
            ContextCompat.getMainExecutor(activity),
        )
    }

    /** Closes the camera. */
    fun stop() {
        provider?.unbindAll()
    }

    private fun bind(provider: ProcessCameraProvider) {
        val analysis = ImageAnalysis.Builder()
            .setBackpressureStrategy(ImageAnalysis.STRATEGY_KEEP_ONLY_LATEST)
            .setOutputImageFormat(ImageAnalysis.OUTPUT_IMAGE_FORMAT_RGBA_8888)
            .setOutputImageRotationEnabled(true)
            .build()
        analysis.setAnalyzer(executor) { image -> image.use { onFrame(it.toBitmap()) } }
        provider.unbindAll()
        provider.bindToLifecycle(activity, CameraSelector.DEFAULT_BACK_CAMERA, analysis)
    }
}
