package io.tierseg.contract

/**
 * One class of a mask.
 *
 * @property id the value of this class's pixels in a mask, 0-255.
 * @property name name shown to people, e.g. `road`.
 * @property red share of red in its colour, 0-255.
 * @property green share of green, 0-255.
 * @property blue share of blue, 0-255.
 */
data class Label(val id: Int, val name: String, val red: Int, val green: Int, val blue: Int) {

    /** The colour, opaque, as Android packs it: `0xFFRRGGBB`. */
    val argb: Int
        get() = (0xFF shl 24) or (red shl 16) or (green shl 8) or blue
}
