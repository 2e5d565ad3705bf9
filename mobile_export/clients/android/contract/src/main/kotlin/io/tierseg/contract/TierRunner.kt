package io.tierseg.contract

import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.ByteOrder

/**
 * Runs the tiers of a bundle by name, and its stages one after the other; any thread may call it.
 *
 * @property bundle the bundle whose model [runner] holds.
 * @param runner runs the model; closed with this object.
 * @throws TiersegException the model's signatures are not those that the bundle's metadata lists.
 */
class TierRunner(val bundle: Bundle, private val runner: SignatureRunner) : Closeable {

    private val outputs = HashMap<String, Map<String, ByteBuffer>>()
    private val prepared = HashSet<String>()
    private var measured: Map<String, Double>? = null

    init {
        try {
            SignatureChecker(bundle.name, runner).check(bundle.tiers, bundle.chains.values)
        } catch (error: TiersegException) {
            runner.close()
            throw error
        }
    }

    /**
     * Segments one image with one tier.
     *
     * @param image its pixels at the tier's `inputSize`, row by row, red, green and blue of each:
     *   a direct buffer of height · width · 3 bytes.
     * @param tier the tier.
     * @throws TiersegException the image is of another size, or LiteRT cannot run the tier.
     */
    @Synchronized
    fun run(image: ByteBuffer, tier: Tier = bundle.defaultTier): Prediction {
        val latencyMs = call(tier.signature, mapOf(IMAGE to checked(image, tier.inputSize)))
        return prediction(tier.signature, tier, latencyMs)
    }

    /**
     * Segments one image as far as it needs: leaves at the first exit that is sure enough.
     *
     * @param image as of [run], at the chain's `inputSize`.
     * @param chain the exits, as [Bundle.chain] gives them.
     * @param threshold confidence 0-1 at which to leave, for all exits; each exit's own if null.
     * @throws TiersegException as of [run] and [Chain.thresholds].
     */
    @Synchronized
    fun adaptive(
        image: ByteBuffer,
        chain: Chain = bundle.chain(),
        threshold: Double? = null,
    ): Prediction {
        val thresholds = chain.thresholds(threshold)
        var inputs = mapOf(IMAGE to checked(image, chain.inputSize))
        val steps = ArrayList<Prediction.Step>()
        for ((place, tier) in chain.exits.withIndex()) {
            var spentMs = 0.0
            for (stage in chain.steps[place]) {
                spentMs += call(stage, inputs)
                inputs = outputs(stage).filterKeys { it.startsWith(STATE) }
            }
            val last = chain.steps[place].last()
            val confidence = confidence(last)
            steps.add(Prediction.Step(tier, confidence / Chain.CONFIDENCE_SCALE, spentMs))
            if (chain.leaves(place, confidence, thresholds)) {
                return prediction(last, tier, steps.sumOf { it.latencyMs }, steps)
            }
        }
        error("the last exit of ${chain.configuration} was not left")
    }

    /** Pays the one-off preparation of each signature, unless that was done: some 10 ms each. */
    fun prepare() {
        val stages = bundle.chains.values.flatMap { it.stages }
        for (signature in bundle.tiers.map { it.signature } + stages) prepare(signature)
    }

    /**
     * Times every tier on this device, in turns so that a slow moment hits all alike.
     *
     * @param runs inferences of each tier, after its preparation.
     * @return median time of each tier's inference by its name, milliseconds.
     */
    fun measure(runs: Int = 5): Map<String, Double> {
        if (runs < 1) throw TiersegException("`runs` must be an integer from 1, got $runs")
        val times = bundle.tiers.associateWith { ArrayList<Double>() }
        repeat(runs) {
            for ((tier, list) in times) list.add(run(imageBuffer(tier.inputSize), tier).latencyMs)
        }
        val medians = times.entries.associate { (tier, list) -> tier.name to median(list) }
        synchronized(this) { measured = medians }
        return medians
    }

    /** What [measure] found last; measures first if it never did. */
    fun measured(): Map<String, Double> = synchronized(this) { measured } ?: measure()

    /**
     * The best tier whose inference fits a time budget on this device, which is measured first.
     *
     * @param budgetMs longest inference time, milliseconds.
     * @throws TiersegException no tier fits; the message names the nearest.
     */
    fun fastestWithin(budgetMs: Double): Tier = bundle.fastestWithin(budgetMs, measured())

    @Synchronized
    override fun close() = runner.close()

    @Synchronized
    private fun prepare(signature: String) {
        if (prepared.add(signature)) {
            runner.run(signature, runner.inputs(signature).buffers(), outputs(signature))
        }
    }

    private fun call(signature: String, inputs: Map<String, ByteBuffer>): Double {
        prepare(signature)
        val given = outputs(signature)
        (inputs.values + given.values).forEach { it.rewind() }
        return runner.run(signature, inputs, given)
    }

    private fun prediction(
        signature: String,
        tier: Tier,
        latencyMs: Double,
        steps: List<Prediction.Step> = emptyList(),
    ): Prediction {
        val mask = ByteArray(tier.maskSize.area)
        val buffer = outputs(signature).getValue(MASK)
        buffer.rewind()
        buffer.get(mask)
        val confidence = confidence(signature) / Chain.CONFIDENCE_SCALE
        return Prediction(mask, tier.maskSize, confidence, tier, latencyMs, steps)
    }

    private fun confidence(signature: String): Int =
        outputs(signature).getValue(CONFIDENCE).get(0).toInt() and 0xFF

    private fun outputs(signature: String): Map<String, ByteBuffer> =
        outputs.getOrPut(signature) { runner.outputs(signature).buffers() }

    private fun checked(image: ByteBuffer, size: Size): ByteBuffer {
        val expected = size.area * CHANNELS
        if (!image.isDirect || image.capacity() != expected) {
            val kind = if (image.isDirect) "a direct one" else "one on the heap"
            throw TiersegException(
                "`image` must be a direct buffer of $expected bytes ($size pixels, RGB); " +
                    "got $kind of ${image.capacity()}",
            )
        }
        return image
    }

    companion object {
        internal const val IMAGE = "image"
        internal const val MASK = "mask"
        internal const val CONFIDENCE = "confidence"
        internal const val STATE = "state_"
        internal const val CHANNELS = 3

        /**
         * A black image as [run] takes it.
         *
         * @param size its height and width, pixels.
         */
        fun imageBuffer(size: Size): ByteBuffer = buffer(size.area * CHANNELS)

        private fun buffer(bytes: Int): ByteBuffer =
            ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder())

        private fun Map<String, Tensor>.buffers() = mapValues { buffer(it.value.bytes) }

        private fun median(values: List<Double>): Double {
            val sorted = values.sorted()
            return (sorted[(sorted.size - 1) / 2] + sorted[sorted.size / 2]) / 2
        }
    }
}
