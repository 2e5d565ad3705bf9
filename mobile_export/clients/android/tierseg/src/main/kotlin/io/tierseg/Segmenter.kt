package io.tierseg

import android.graphics.Bitmap
import io.tierseg.contract.Bundle
import io.tierseg.contract.Pixels
import io.tierseg.contract.Prediction
import io.tierseg.contract.Size
import io.tierseg.contract.Tier
import io.tierseg.contract.TierRunner
import io.tierseg.contract.TiersegException
import java.io.Closeable
import java.nio.ByteBuffer

/**
 * Segments images with any tier of a bundle; one object serves all threads, one call at a time.
 *
 * Each signature pays a one-off preparation of some tens of milliseconds in its first call; call
 * [prepare] in a background thread to pay it before the camera opens.
 *
 * ```
 * val segmenter = Segmenter(bundleAsset(context, "camvid.tflite"))
 * val result = segmenter.segment(photo, tier = "light")
 * imageView.setImageBitmap(result.maskBitmap())
 * ```
 *
 * @property bundle what it runs.
 * @param threads CPU threads of one inference.
 * @throws TiersegException LiteRT refuses the model, or its signatures are not those that the
 *   bundle lists.
 */
class Segmenter(
    val bundle: Bundle,
    threads: Int = minOf(4, Runtime.getRuntime().availableProcessors()),
) : Closeable {

    private val runner = TierRunner(bundle, LiteRtRunner(bundle.model, threads, bundle.name))
    private val buffers = HashMap<Size, ByteBuffer>()

    /**
     * Segments one image with one tier.
     *
     * @param image of any size, in software (not `Config.HARDWARE`); scaled to the tier's input
     *   size with bilinear filtering.
     * @param tier name of the tier.
     * @throws TiersegException there is no such tier, or LiteRT cannot run it.
     */
    fun segment(image: Bitmap, tier: String = bundle.defaultTier.name): Segmentation {
        val chosen = bundle.tier(tier)
        return timed { runner.run(pixels(image, chosen.inputSize), chosen) }
    }

    /**
     * Segments one image as far as it needs: leaves at the first exit that is sure enough.
     *
     * @param image as of [segment].
     * @param configuration name of a configuration with stages.
     * @param threshold confidence 0-1 at which to leave, for all exits; each exit's own, as the
     *   bundle has it, if null.
     * @throws TiersegException the configuration has no stages, or [threshold] is not 0-1, or it is
     *   null where the bundle has none.
     */
    fun adaptive(
        image: Bitmap,
        configuration: String = bundle.defaultTier.configuration,
        threshold: Double? = null,
    ): Segmentation {
        val chain = bundle.chain(configuration)
        return timed { runner.adaptive(pixels(image, chain.inputSize), chain, threshold) }
    }

    /** Pays the one-off preparation of every tier and stage. */
    fun prepare() = runner.prepare()

    /** Median inference time of each tier by its name here, milliseconds; measured once. */
    fun measured(): Map<String, Double> = runner.measured()

    /**
     * The best tier whose inference fits a time budget on this device, which is measured first.
     *
     * @param budgetMs longest inference time, milliseconds.
     * @throws TiersegException no tier fits; the message names the nearest.
     */
    fun fastestWithin(budgetMs: Double): Tier = runner.fastestWithin(budgetMs)

    override fun close() = runner.close()

    /** Runs alone; the time begins before the wait for other threads. */
    @Synchronized
    private fun timed(start: Long = System.nanoTime(), run: () -> Prediction): Segmentation {
        val prediction = run()
        return Segmentation(prediction, (System.nanoTime() - start) / NS_PER_MS, bundle.palette)
    }

    private fun pixels(image: Bitmap, size: Size): ByteBuffer {
        val (height, width) = size
        val scaled = if (image.height == height && image.width == width) {
            image
        } else {
            Bitmap.createScaledBitmap(image, width, height, true)
        }
        val colors = IntArray(size.area)
        scaled.getPixels(colors, 0, width, 0, 0, width, height)
        return buffers.getOrPut(size) { TierRunner.imageBuffer(size) }
            .also { Pixels.pack(colors, it) }
    }

    private companion object {
        const val NS_PER_MS = 1e6
    }
}
