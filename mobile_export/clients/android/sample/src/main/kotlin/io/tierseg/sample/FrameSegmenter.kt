package io.tierseg.sample

import android.graphics.Bitmap
import io.tierseg.Governor
import io.tierseg.Segmentation
import io.tierseg.Segmenter

/**
 * Segments frames in the mode that is set; [segment] belongs to one thread, [mode] to any.
 *
 * @param segmenter runs the frames.
 */
internal class FrameSegmenter(private val segmenter: Segmenter) {

    /** What chooses the tier of the next frame. */
    @Volatile
    var mode: Mode = Mode.Fixed(segmenter.bundle.defaultTier.name)

    private var governor: Pair<Int, Governor>? = null

    /** One frame in the mode of the moment. */
    fun segment(image: Bitmap): Segmentation = when (val mode = mode) {
        is Mode.Fixed -> segmenter.segment(image, mode.tier)
        is Mode.Adaptive -> segmenter.adaptive(image, mode.configuration)
        is Mode.Hold -> governor(mode.framesPerSecond).segment(image)
    }

    /** The governor of a rate, kept from frame to frame. */
    private fun governor(framesPerSecond: Int): Governor {
        governor?.let { (rate, known) -> if (rate == framesPerSecond) return known }
        val made = Governor(segmenter, MS_PER_S / framesPerSecond)
        governor = framesPerSecond to made
        return made
    }

    private companion object {
        const val MS_PER_S = 1000.0
    }
}
