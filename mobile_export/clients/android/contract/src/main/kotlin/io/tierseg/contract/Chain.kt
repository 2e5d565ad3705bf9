package io.tierseg.contract

/**
 * The exits of one configuration, and when an adaptive run leaves at one (MESS, arXiv 2106.03527).
 *
 * @property configuration its name.
 * @property exits the tiers that list stages, shallowest exit first. The stages of each begin with
 *   those of the one before.
 */
class Chain internal constructor(val configuration: String, val exits: List<Tier>) {

    /** Names of the stage signatures, in order. */
    val stages: List<String> = exits.last().stages

    /** The stages from the exit before to each exit. */
    val steps: List<List<String>> = exits.mapIndexed { place, tier ->
        tier.stages.drop(if (place == 0) 0 else exits[place - 1].stages.size)
    }

    /** Size of the image that the first stage takes. */
    val inputSize: Size = exits.first().inputSize

    /**
     * The confidence (0-1) at which a run leaves, for each exit; 0 for the last.
     *
     * @param given one threshold for all exits; each exit's own, as the bundle has it, if null.
     * @throws TiersegException [given] is not 0-1; or it is null, and an exit has no threshold.
     */
    fun thresholds(given: Double? = null): List<Double> {
        if (given != null && given !in 0.0..1.0) {
            throw TiersegException("`threshold` must be a share of pixels 0-1, got $given")
        }
        return exits.mapIndexed { place, tier ->
            when {
                place == exits.lastIndex -> 0.0
                given != null -> given
                else -> tier.imageThreshold ?: throw TiersegException(
                    "`threshold` must be given (0-1, the share of sure pixels at which to " +
                        "leave), since the bundle has none for ${tier.name}; got null",
                )
            }
        }
    }

    /**
     * Whether a run leaves at an exit: at the first whose confidence reaches its threshold.
     *
     * @param place place of the exit in [exits].
     * @param confidence the signature's output, 0-255: the share of pixels that it is sure of.
     * @param thresholds as [thresholds] gives them.
     */
    fun leaves(place: Int, confidence: Int, thresholds: List<Double>): Boolean =
        place == exits.lastIndex || confidence / CONFIDENCE_SCALE >= thresholds[place]

    internal companion object {
        /** Confidence of a signature that stands for 1. */
        const val CONFIDENCE_SCALE = 255.0

        /** The chain of each configuration whose tiers list stages, by its name. */
        fun all(bundle: String, tiers: List<Tier>): Map<String, Chain> {
            val groups = tiers
                .sortedBy { it.exit ?: Int.MAX_VALUE }
                .filter { it.stages.isNotEmpty() }
                .groupBy { it.configuration }
            for (group in groups.values) group.zipWithNext { shallow, deep ->
                val shared = deep.stages.take(shallow.stages.size)
                if (shared != shallow.stages || shared == deep.stages) {
                    throw TiersegException(
                        "$bundle: the stages of ${deep.name} must be those of ${shallow.name} " +
                            "(${shallow.stages.joinToString()}) and more; " +
                            "got ${deep.stages.joinToString()}",
                    )
                }
            }
            return groups.mapValues { (configuration, exits) -> Chain(configuration, exits) }
        }
    }
}
