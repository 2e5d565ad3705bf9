package io.tierseg.contract

/**
 * One tier of a bundle: how to call it, and the figures that the bundle gives of it.
 *
 * A figure that was not measured is null.
 *
 * @property name the name that people choose it by.
 * @property signature the signature that runs it.
 * @property stages the stage signatures that lead to this exit, in order; empty if there are none.
 * @property configuration name of the configuration, with the input size if that is not the native
 *   one (`light_176x240`); tiers of one configuration differ in their exit alone.
 * @property exit 1 for the shallowest early exit; null for the final one.
 * @property inputSize size of the image that it takes.
 * @property maskSize size of the mask that it gives.
 * @property imageThreshold an adaptive run leaves at this exit if the confidence (0-1) is at least
 *   this; null for the final exit, and where none was fitted.
 * @property pixelThreshold class probability from which a pixel counts as sure, 0-1.
 * @property miou mean IoU of the int8 signature on the data that the bundle names, 0-1.
 * @property dice mean Dice of the same, 0-1.
 * @property latencyMs time of one inference on the machine that the bundle names, milliseconds.
 * @property parameters number of weights that it uses.
 * @property macs multiply-adds of one inference.
 */
data class Tier(
    val name: String,
    val signature: String,
    val stages: List<String>,
    val configuration: String,
    val exit: Int?,
    val inputSize: Size,
    val maskSize: Size,
    val imageThreshold: Double?,
    val pixelThreshold: Double?,
    val miou: Double?,
    val dice: Double?,
    val latencyMs: Double?,
    val parameters: Long?,
    val macs: Long?,
)
