package io.tierseg.contract

/**
 * Type and shape of one input or output of a signature, e.g. `uint8 (1, 352, 480, 3)`.
 *
 * @property type its elements, in lower case: `uint8` for all of a bundle's.
 * @property shape its dimensions, the batch of 1 first.
 */
data class Tensor(val type: String, val shape: List<Int>) {

    /** Number of bytes of a `uint8` tensor. */
    val bytes: Int
        get() = shape.fold(1) { product, side -> product * side }

    override fun toString(): String = "$type (${shape.joinToString()})"
}
