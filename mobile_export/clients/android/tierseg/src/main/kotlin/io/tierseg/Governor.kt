package io.tierseg

import android.graphics.Bitmap
import io.tierseg.contract.FrameBudget
import io.tierseg.contract.TiersegException
import io.tierseg.contract.qualities

/**
 * Runs each frame with the best tier that keeps a time budget, as the device slows or recovers.
 *
 * A phone that heats up runs at a half or a third of its speed, which no choice made beforehand can
 * know. The governor measures every frame and switches tiers by the rule of [FrameBudget].
 *
 * @param segmenter runs the frames; its tiers are measured first, unless they have been, so create
 *   the governor in a background thread.
 * @param targetMs longest time of a whole frame, milliseconds: 1000.0 / 30 holds 30 frames a second
 *   if nothing else takes time.
 * @param tiers names of the tiers to choose among.
 * @throws TiersegException [targetMs] is not above 0, or a tier does not exist.
 */
class Governor(
    private val segmenter: Segmenter,
    targetMs: Double,
    tiers: List<String> = segmenter.bundle.tiers.map { it.name },
) {

    private val budget: FrameBudget

    init {
        val chosen = tiers.map { segmenter.bundle.tier(it) }
        val measured = segmenter.measured().filterKeys { it in tiers }
        budget = FrameBudget(measured, qualities(chosen), targetMs)
    }

    /** Name of the tier that the next frame runs. */
    val tier: String
        @Synchronized get() = budget.tier

    /**
     * Segments one frame with the tier of the hour; one thread at a time runs.
     *
     * @param image as of [Segmenter.segment].
     */
    @Synchronized
    fun segment(image: Bitmap): Segmentation {
        val result = segmenter.segment(image, budget.tier)
        val latencyMs = result.prediction.latencyMs
        budget.observe(latencyMs, System.nanoTime() / NS_PER_S, result.totalMs - latencyMs)
        return result
    }

    private companion object {
        const val NS_PER_S = 1e9
    }
}
