package io.tierseg

import android.graphics.Bitmap
import io.tierseg.contract.Palette
import io.tierseg.contract.Pixels
import io.tierseg.contract.Prediction

/**
 * What a [Segmenter] gives for one image.
 *
 * @property prediction the mask with its tier, confidence and inference time.
 * @property totalMs time of the whole call, milliseconds: scaling, waiting for other threads, and
 *   inference.
 */
class Segmentation internal constructor(
    val prediction: Prediction,
    val totalMs: Double,
    private val palette: Palette,
) {

    /**
     * The mask in its classes' colours, `ARGB_8888`, at the network's own size: lay it over the
     * image, scaled to it without filtering.
     *
     * @param opacity 0 (clear) to 255.
     */
    fun maskBitmap(opacity: Int = 255): Bitmap {
        val (height, width) = prediction.size
        val colors = Pixels.paint(prediction.mask, palette, opacity)
        return Bitmap.createBitmap(colors, width, height, Bitmap.Config.ARGB_8888)
    }
}
