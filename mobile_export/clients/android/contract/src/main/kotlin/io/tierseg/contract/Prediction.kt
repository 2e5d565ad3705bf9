package io.tierseg.contract

/**
 * The mask of one image, at the network's own size.
 *
 * @property mask the class id of each pixel, row by row, [size]`.area` bytes.
 * @property size height and width of the mask.
 * @property confidence share of pixels that the tier is sure of, 0-1.
 * @property tier the tier that ran; in an adaptive run, that of the exit at which it left.
 * @property latencyMs time of the inference alone, milliseconds; in an adaptive run of all its
 *   stages.
 * @property steps every exit that an adaptive run came to, in order; empty for a one-shot run.
 */
class Prediction(
    val mask: ByteArray,
    val size: Size,
    val confidence: Double,
    val tier: Tier,
    val latencyMs: Double,
    val steps: List<Step> = emptyList(),
) {

    /**
     * One exit that an adaptive run came to.
     *
     * @property tier the tier whose mask the exit gives.
     * @property confidence share of pixels that the exit is sure of, 0-1.
     * @property latencyMs time of the inference from the exit before to this one, milliseconds.
     */
    data class Step(val tier: Tier, val confidence: Double, val latencyMs: Double)
}
