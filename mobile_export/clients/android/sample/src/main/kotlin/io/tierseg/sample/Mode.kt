package io.tierseg.sample

/** What chooses the tier of a frame. */
internal sealed interface Mode {

    /** The person does: the tier of this name. */
    data class Fixed(val tier: String) : Mode

    /** The image does: it leaves at the first exit of this configuration that is sure. */
    data class Adaptive(val configuration: String) : Mode

    /** The clock does: the best tier that holds so many frames a second. */
    data class Hold(val framesPerSecond: Int) : Mode
}
