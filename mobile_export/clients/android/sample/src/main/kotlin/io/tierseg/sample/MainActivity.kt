package io.tierseg.sample

import android.Manifest
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.net.Uri
import android.os.Bundle
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia
import androidx.activity.result.contract.ActivityResultContracts.RequestPermission
import androidx.appcompat.app.AppCompatActivity
import io.tierseg.Segmenter
import io.tierseg.bundleAsset
import io.tierseg.contract.TiersegException
import java.util.concurrent.Executors

/** Segments the camera's frames, or a photograph, with the tier that is chosen below it. */
class MainActivity : AppCompatActivity() {

    private val work = Executors.newSingleThreadExecutor()
    private val camera = Camera(this, work) { segment(it) }
    private lateinit var segmenter: Segmenter
    private lateinit var frames: FrameSegmenter
    private lateinit var screen: Screen

    /** The photograph that is shown, which a change of the mode segments again; null for frames. */
    @Volatile
    private var photo: Bitmap? = null

    private val askPhoto = registerForActivityResult(PickVisualMedia()) { uri ->
        if (uri != null) work.execute { open(uri) }
    }
    private val askCamera = registerForActivityResult(RequestPermission()) { isGranted ->
        if (isGranted) startCamera() else screen.say("The camera needs your permission.")
    }

    override fun onCreate(state: Bundle?) {
        super.onCreate(state)
        segmenter = Segmenter(bundleAsset(this, BUNDLE))
        frames = FrameSegmenter(segmenter)
        screen = Screen(this, segmenter.bundle) { mode ->
            frames.mode = mode
            photo?.let { shown -> work.execute { segment(shown) } }
        }
        screen.photo.setOnClickListener {
            askPhoto.launch(PickVisualMediaRequest(PickVisualMedia.ImageOnly))
        }
        screen.camera.setOnClickListener { askCamera.launch(Manifest.permission.CAMERA) }
        setContentView(screen.root)
        work.execute { segmenter.prepare() }
    }

    override fun onDestroy() {
        work.execute { segmenter.close() }
        work.shutdown()
        super.onDestroy()
    }

    private fun startCamera() {
        photo = null
        camera.start()
    }

    private fun open(uri: Uri) {
        val image = contentResolver.openInputStream(uri)?.use { BitmapFactory.decodeStream(it) }
        runOnUiThread {
            camera.stop()
            if (image == null) screen.say("$uri is no image that Android can read.")
        }
        if (image != null) {
            photo = image
            segment(image)
        }
    }

    /** Segments one image in the background thread and shows it. */
    private fun segment(image: Bitmap) {
        try {
            val result = frames.segment(image)
            runOnUiThread { screen.show(image, result) }
        } catch (error: TiersegException) {
            runOnUiThread { screen.say(error.message.orEmpty()) }
        }
    }

    private companion object {
        const val BUNDLE = "bundle.tflite"
    }
}
