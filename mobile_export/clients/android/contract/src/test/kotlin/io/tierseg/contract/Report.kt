package io.tierseg.contract

import java.io.File
import java.nio.ByteBuffer
import java.util.Base64

/**
 * Answers the questions in a JSON file in another: what the Python tests compare with the runtime.
 *
 * @param arguments the file of questions, and the file to write the answers to. Models are run by
 *   whoever reads this process's output and writes its input.
 */
fun main(arguments: Array<String>) {
    val (questions, answers) = arguments
    val asked = JsonReader(File(questions).readText()).read() as Map<*, *>
    val report = mapOf(
        "bundles" to asked.all("bundles").map { Report(it).answer() },
        "frames" to asked.all("frames").map { replay(it) },
        "packed" to packed(asked.ints("colors")),
    )
    File(answers).writeText(toJson(report))
}

/** What one question about a bundle asks for. */
private class Report(private val question: Map<*, *>) {

    fun answer(): Map<String, Any?> = attempt {
        val bundle = Bundle.open(File(question["path"] as String))
        mapOf(
            "sha256" to bundle.sha256,
            "model_bytes" to bundle.model.limit(),
            "default_tier" to bundle.defaultTier.name,
            "labels" to bundle.labels.map { listOf(it.id, it.name, it.red, it.green, it.blue) },
            "palette" to (0..255).map { bundle.palette[it] and 0xFFFFFF },
            "tiers" to bundle.tiers.map { described(it) },
            "chains" to bundle.chains.mapValues { (_, chain) -> chain.exits.map { it.name } },
            "budgets" to question.all("budgets").map { budget(bundle, it) },
            "adaptive" to question.all("adaptive").map { exit(bundle, it) },
            "unknown" to listOf(
                attempt { mapOf("tier" to bundle.tier("no_such")) },
                attempt { mapOf("chain" to bundle.chain("no_such")) },
            ),
            "runs" to runs(bundle),
        )
    }

    private fun described(tier: Tier) = mapOf(
        "name" to tier.name,
        "signature" to tier.signature,
        "stages" to tier.stages,
        "configuration" to tier.configuration,
        "exit" to tier.exit,
        "input_size" to listOf(tier.inputSize.height, tier.inputSize.width),
        "mask_size" to listOf(tier.maskSize.height, tier.maskSize.width),
        "image_threshold" to tier.imageThreshold,
        "miou" to tier.miou,
        "dice" to tier.dice,
        "latency_ms" to tier.latencyMs,
        "parameters" to tier.parameters,
        "macs" to tier.macs,
    )

    private fun budget(bundle: Bundle, asked: Map<*, *>) = attempt {
        val budgetMs = asked.double("budget_ms")
        mapOf("tier" to bundle.fastestWithin(budgetMs, asked.times("latencies")).name)
    }

    private fun exit(bundle: Bundle, asked: Map<*, *>) = attempt {
        val chain = bundle.chain(asked["configuration"] as String)
        val thresholds = chain.thresholds((asked["threshold"] as Number?)?.toDouble())
        val confidences = (asked["confidences"] as List<*>).map { (it as Long).toInt() }
        val place = confidences.indices.first { chain.leaves(it, confidences[it], thresholds) }
        mapOf("tier" to chain.exits[place].name)
    }

    private fun runs(bundle: Bundle): List<Any?> {
        val tensors = question["tensors"] as Map<*, *>? ?: return emptyList()
        val piped = PipedRunner(tensors, System.`in`.bufferedReader(), System.out)
        return try {
            TierRunner(bundle, piped).use { runner -> question.all("runs").map { run(runner, it) } }
        } catch (error: TiersegException) {
            listOf(mapOf("error" to error.message))
        }
    }

    private fun run(runner: TierRunner, asked: Map<*, *>) = attempt {
        val bytes = Base64.getDecoder().decode(asked["image"] as String)
        val image = ByteBuffer.allocateDirect(bytes.size).apply { put(bytes) }
        val tier = asked["tier"] as String?
        val budgetMs = (asked["budget_ms"] as Number?)?.toDouble()
        val result = when {
            budgetMs != null -> runner.run(image, runner.fastestWithin(budgetMs))
            tier != null -> runner.run(image, runner.bundle.tier(tier))
            else -> runner.adaptive(
                image,
                runner.bundle.chain(asked["configuration"] as String),
                (asked["threshold"] as Number?)?.toDouble(),
            )
        }
        mapOf(
            "tier" to result.tier.name,
            "confidence" to result.confidence,
            "latency_ms" to result.latencyMs,
            "steps" to result.steps.map { listOf(it.tier.name, it.confidence) },
            "size" to listOf(result.size.height, result.size.width),
            "mask" to Base64.getEncoder().encodeToString(result.mask),
        )
    }
}

/** The tier of each frame of a recorded run of a `FrameBudget`. */
private fun replay(asked: Map<*, *>): Map<String, Any?> = attempt {
    val budget = FrameBudget(
        checkNotNull(asked.times("nominal_ms")),
        checkNotNull(asked.times("quality")),
        asked.double("target_ms"),
    )
    val first = budget.tier
    val tiers = asked.all("frames").map { frame ->
        (frame["target_ms"] as Number?)?.let { budget.targetMs = it.toDouble() }
        val overhead = (frame["overhead_ms"] as Number?)?.toDouble() ?: 0.0
        budget.observe(frame.double("latency_ms"), frame.double("now_s"), overhead)
    }
    mapOf(
        "ladder" to budget.tiers,
        "first" to first,
        "tiers" to tiers,
        "switches" to budget.switches,
        "slowdown" to budget.slowdown,
    )
}

/** Colours as bytes, and those bytes taken for a mask and painted half clear. */
private fun packed(colors: IntArray): Map<String, List<Int>> {
    val bytes = ByteArray(3 * colors.size)
    Pixels.pack(colors, ByteBuffer.wrap(bytes))
    return mapOf(
        "bytes" to bytes.map { it.toInt() and 0xFF },
        "painted" to Pixels.paint(bytes, Palette(listOf(Label(7, "seven", 1, 2, 3))), 128).toList(),
    )
}

private fun attempt(answer: () -> Map<String, Any?>): Map<String, Any?> =
    try {
        answer()
    } catch (error: TiersegException) {
        mapOf("error" to error.message)
    }

private fun Map<*, *>.all(name: String): List<Map<*, *>> =
    (this[name] as List<*>? ?: emptyList<Any?>()).map { it as Map<*, *> }

private fun Map<*, *>.double(name: String): Double = (this[name] as Number).toDouble()

private fun Map<*, *>.times(name: String): Map<String, Double>? =
    (this[name] as Map<*, *>?)?.entries?.associate { (key, value) ->
        key as String to (value as Number).toDouble()
    }

private fun Map<*, *>.ints(name: String): IntArray =
    (this[name] as List<*>? ?: emptyList<Any?>()).map { (it as Long).toInt() }.toIntArray()
