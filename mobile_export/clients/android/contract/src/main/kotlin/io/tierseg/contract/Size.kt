package io.tierseg.contract

/** Height and width of an image or a mask, pixels. */
data class Size(val height: Int, val width: Int) {

    /** Number of pixels. */
    val area: Int
        get() = height * width

    override fun toString(): String = "${height}x$width"
}
