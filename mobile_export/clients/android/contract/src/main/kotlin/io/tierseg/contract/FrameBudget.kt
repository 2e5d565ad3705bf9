package io.tierseg.contract

/**
 * Chooses the tier of each frame so that frames keep a time budget on a device whose speed varies.
 *
 * How slow the device is now is the fourth largest of its last 40 ratios of a frame's time to the
 * nominal time of the tier that ran: three slow frames in forty count for nothing, four count at
 * once, and a device that is fast again is believed after forty. The time expected of a tier is its
 * nominal time multiplied so, plus the usual overhead of a frame.
 *
 * A tier that is expected to miss the target gives way to the best that takes 90 % of it; a better
 * one that takes 85 % takes over. Between two switches lies a second, but for a tier that misses by
 * a quarter or more, which is left once it has run for two frames. A tier that had to be left
 * within five seconds of a switch up to it, and all slower ones, must wait for 2 s before they are
 * tried again, and twice as long each further time, up to 64 s.
 *
 * The rule knows no images and no clock, and is that of the Python runtime. One thread may use it.
 *
 * @param nominalMs time of each tier by its name on a device that is not slowed down, milliseconds.
 * @param quality a number per tier that is higher for a better mask, as [qualities] gives it. Tiers
 *   that a faster one equals or beats are never chosen.
 * @param targetMs longest time of a frame, milliseconds.
 * @throws TiersegException there is no tier, a time is not above 0, or the two name other tiers.
 */
class FrameBudget(
    nominalMs: Map<String, Double>,
    quality: Map<String, Double>,
    targetMs: Double,
) {

    /** The tiers that it chooses among, fastest and worst first. */
    val tiers: List<String>

    /** The tier to run next. */
    var tier: String
        private set

    /** How often the tier has changed. */
    var switches: Int = 0
        private set

    /** Longest time of a frame, milliseconds; can be set at any time. */
    var targetMs: Double = checked(targetMs)
        set(value) {
            field = checked(value)
        }

    private val nominal: Map<String, Double> = nominalMs.toMap()
    private val ratios = ArrayDeque(List(RANK) { 1.0 })
    private val overheads = ArrayDeque<Double>()
    private var lastSwitchS = Double.NEGATIVE_INFINITY
    private var lastRiseS = Double.NEGATIVE_INFINITY
    private var frames = 0
    private val waits = HashMap<String, Double>()
    private val barredUntilS = HashMap<String, Double>()

    init {
        if (nominal.isEmpty() || nominal.keys != quality.keys) {
            throw TiersegException(
                "`quality` must be of the tiers of `nominalMs` " +
                    "(${nominal.keys.joinToString().ifEmpty { "none" }}), one or more; " +
                    "got ${quality.keys.joinToString().ifEmpty { "none" }}",
            )
        }
        for ((name, time) in nominal) {
            if (!(time > 0)) {
                throw TiersegException("`nominalMs` of $name must be above 0, got $time")
            }
        }
        val ladder = ArrayList<String>()
        val order = compareBy<String> { nominal.getValue(it) }
            .thenByDescending { quality.getValue(it) }
        for (name in nominal.keys.sortedWith(order)) {
            if (ladder.all { quality.getValue(name) > quality.getValue(it) }) ladder.add(name)
        }
        tiers = ladder
        tier = best(DOWN, ladder)
    }

    /** How many times as long as nominal a frame takes now; 1 before the first. */
    val slowdown: Double
        get() = ratios.sortedDescending()[RANK - 1]

    /**
     * Time expected of a frame of a tier now, milliseconds.
     *
     * @param tier one of [tiers].
     */
    fun expectedMs(tier: String): Double = nominal.getValue(tier) * slowdown + median(overheads)

    /**
     * Takes down a frame that [tier] ran, and chooses the tier of the next.
     *
     * @param latencyMs time of its inference, milliseconds.
     * @param nowS when it ended, seconds of a clock that never goes back.
     * @param overheadMs further time of the frame, which does not depend on the tier, milliseconds.
     * @return [tier].
     */
    fun observe(latencyMs: Double, nowS: Double, overheadMs: Double = 0.0): String {
        push(ratios, latencyMs / nominal.getValue(tier))
        push(overheads, overheadMs)
        frames++
        val place = tiers.indexOf(tier)
        val held = nowS - lastSwitchS >= HOLD_S
        val expected = expectedMs(tier)
        if (expected > KEEP * targetMs) {
            val urgent = expected > URGENT * targetMs && frames >= 2
            if (place > 0 && (held || urgent)) {
                bar(nowS)
                switchTo(best(DOWN, tiers.take(place)), nowS)
            }
        } else if (held) {
            val better = tiers.drop(place + 1).lastOrNull { isFree(it, nowS) && fits(it, UP) }
            if (better != null) {
                switchTo(better, nowS)
                lastRiseS = nowS
            }
        }
        return tier
    }

    private fun isFree(tier: String, nowS: Double) = nowS >= (barredUntilS[tier] ?: nowS)

    private fun fits(tier: String, share: Double) = expectedMs(tier) <= share * targetMs

    /** The best tier that fits a share of the target, else the fastest. */
    private fun best(share: Double, ladder: List<String>): String =
        ladder.lastOrNull { fits(it, share) } ?: ladder.first()

    private fun switchTo(tier: String, nowS: Double) {
        this.tier = tier
        switches++
        frames = 0
        lastSwitchS = nowS
    }

    /** Notes whether the switch up to the tier that is left had failed. */
    private fun bar(nowS: Double) {
        if (nowS - lastRiseS > FAILED_S) {
            waits.remove(tier)
            return
        }
        val wait = minOf(2 * (waits[tier] ?: (FIRST_WAIT_S / 2)), LONGEST_WAIT_S)
        waits[tier] = wait
        for (slower in tiers.drop(tiers.indexOf(tier))) barredUntilS[slower] = nowS + wait
    }

    private companion object {
        /** Frames whose times tell how slow the device is now. */
        const val WINDOW = 40

        /** Place of the ratio, from the largest, that tells it. */
        const val RANK = 4

        // Shares of the target, of the time expected of a tier: up to the first it is kept, up to
        // the second it is chosen in place of a slower one, up to the third of a faster one; beyond
        // the fourth it is left at once.
        const val KEEP = 1.0
        const val DOWN = 0.9
        const val UP = 0.85
        const val URGENT = 1.25

        const val HOLD_S = 1.0
        const val FAILED_S = 5.0
        const val FIRST_WAIT_S = 2.0
        const val LONGEST_WAIT_S = 64.0

        fun checked(targetMs: Double): Double {
            if (!(targetMs > 0)) {
                throw TiersegException("`targetMs` must be above 0, got $targetMs")
            }
            return targetMs
        }

        fun push(window: ArrayDeque<Double>, value: Double) {
            if (window.size == WINDOW) window.removeFirst()
            window.addLast(value)
        }

        fun median(values: Collection<Double>): Double {
            if (values.isEmpty()) return 0.0
            val sorted = values.sorted()
            val middle = sorted.size / 2
            return if (sorted.size % 2 == 1) {
                sorted[middle]
            } else {
                (sorted[middle - 1] + sorted[middle]) / 2
            }
        }
    }
}
