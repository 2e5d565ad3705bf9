package io.tierseg.contract

/**
 * The colour that each class id is painted in.
 *
 * @param labels the known classes; every other id gets the colour of PASCAL VOC's colour map.
 */
class Palette(labels: Iterable<Label> = emptyList()) {

    private val colors = IntArray(IDS) { id -> vocLabel(id).argb }

    init {
        for (label in labels) colors[label.id] = label.argb
    }

    /**
     * The colour of a class id, opaque, `0xFFRRGGBB`.
     *
     * @param id 0-255.
     */
    operator fun get(id: Int): Int = colors[id]

    private companion object {
        const val IDS = 256
        const val BITS = 8

        /** VOC spreads the bits of an id, three by three, over the high bits of the channels. */
        fun vocLabel(id: Int): Label {
            val channels = IntArray(3)
            for (bit in 0 until BITS) {
                val three = id shr (3 * bit)
                for (channel in channels.indices) {
                    val value = (three shr channel) and 1
                    channels[channel] = channels[channel] or (value shl (BITS - 1 - bit))
                }
            }
            return Label(id, "class $id", channels[0], channels[1], channels[2])
        }
    }
}
