package io.tierseg.contract

import java.io.BufferedReader
import java.io.PrintStream
import java.nio.ByteBuffer
import java.util.Base64

/**
 * A model that another process runs: each call is a line of JSON out and a line of JSON in.
 *
 * @param tensors for each signature its `inputs` and `outputs`, each name with type and shape.
 */
internal class PipedRunner(
    private val tensors: Map<*, *>,
    private val replies: BufferedReader,
    private val calls: PrintStream,
) : SignatureRunner {

    override val signatures: Set<String> = tensors.keys.map { it as String }.toSet()

    override fun inputs(signature: String) = described(signature, "inputs")

    override fun outputs(signature: String) = described(signature, "outputs")

    override fun run(
        signature: String,
        inputs: Map<String, ByteBuffer>,
        outputs: Map<String, ByteBuffer>,
    ): Double {
        val sent = inputs.mapValues { (_, buffer) ->
            val bytes = ByteArray(buffer.remaining())
            buffer.get(bytes)
            Base64.getEncoder().encodeToString(bytes)
        }
        calls.println(toJson(mapOf("signature" to signature, "inputs" to sent)))
        calls.flush()
        val reply = JsonReader(replies.readLine()).read() as Map<*, *>
        for ((name, text) in reply["outputs"] as Map<*, *>) {
            outputs.getValue(name as String).put(Base64.getDecoder().decode(text as String))
        }
        return (reply["latency_ms"] as Number).toDouble()
    }

    override fun close() = calls.flush()

    private fun described(signature: String, side: String): Map<String, Tensor> {
        val all = (tensors[signature] as Map<*, *>)[side] as Map<*, *>
        return all.entries.associate { (name, value) ->
            val (type, shape) = value as List<*>
            val sides = (shape as List<*>).map { (it as Long).toInt() }
            name as String to Tensor(type as String, sides)
        }
    }
}
