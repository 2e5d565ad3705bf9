package io.tierseg.contract

import java.nio.ByteBuffer

/** Pixels between Android's packed colours (`0xAARRGGBB`) and a bundle's bytes. */
object Pixels {

    /**
     * Writes an image as a signature takes it: red, green and blue of each pixel, without alpha.
     *
     * @param colors packed colours, row by row.
     * @param into a buffer of three bytes a colour; written from its first byte on.
     */
    fun pack(colors: IntArray, into: ByteBuffer) {
        into.rewind()
        for (color in colors) {
            into.put((color shr 16).toByte())
            into.put((color shr 8).toByte())
            into.put(color.toByte())
        }
        into.rewind()
    }

    /**
     * Paints a mask.
     *
     * @param mask the class id of each pixel, as of [Prediction.mask].
     * @param palette the colour of each class.
     * @param opacity alpha of every pixel, 0 (clear) to 255.
     * @return packed colours, row by row.
     */
    fun paint(mask: ByteArray, palette: Palette, opacity: Int = 255): IntArray {
        if (opacity !in 0..255) {
            throw TiersegException("`opacity` must be 0-255, got $opacity")
        }
        val alpha = opacity shl 24
        return IntArray(mask.size) { place ->
            palette[mask[place].toInt() and 0xFF] and 0xFFFFFF or alpha
        }
    }
}
