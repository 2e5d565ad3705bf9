package io.tierseg

import io.tierseg.contract.SignatureRunner
import io.tierseg.contract.Tensor
import io.tierseg.contract.TiersegException
import java.nio.ByteBuffer
import org.tensorflow.lite.Interpreter
import org.tensorflow.lite.Tensor as LiteRtTensor

/**
 * LiteRT's `Interpreter`, which runs a signature by its name with named inputs and outputs, on the
 * CPU: the only class here that touches the library.
 *
 * @param model the `.tflite`, mapped or in a direct buffer; not to be changed while this is in use.
 * @param threads CPU threads of one inference.
 * @param name what messages call the model.
 * @throws TiersegException LiteRT refuses the model.
 */
internal class LiteRtRunner(
    model: ByteBuffer,
    threads: Int,
    private val name: String,
) : SignatureRunner {

    private val interpreter = said("expected a whole `.tflite` model") {
        Interpreter(model, Interpreter.Options().setNumThreads(threads))
    }

    override val signatures: Set<String> = interpreter.signatureKeys.toSet()

    override fun inputs(signature: String): Map<String, Tensor> =
        interpreter.getSignatureInputs(signature).associateWith { input ->
            described(interpreter.getInputTensorFromSignature(input, signature))
        }

    override fun outputs(signature: String): Map<String, Tensor> =
        interpreter.getSignatureOutputs(signature).associateWith { output ->
            described(interpreter.getOutputTensorFromSignature(output, signature))
        }

    override fun run(
        signature: String,
        inputs: Map<String, ByteBuffer>,
        outputs: Map<String, ByteBuffer>,
    ): Double {
        val start = System.nanoTime()
        said("expected the signature $signature to run") {
            interpreter.runSignature(inputs, outputs, signature)
        }
        val wholeNs = System.nanoTime() - start
        return (interpreter.lastNativeInferenceDurationNanoseconds ?: wholeNs) / NS_PER_MS
    }

    override fun close() = interpreter.close()

    private fun described(tensor: LiteRtTensor) =
        Tensor(tensor.dataType().name.lowercase(), tensor.shape().toList())

    /** What LiteRT says in its own words, with the bundle's name before them. */
    private fun <T> said(expected: String, call: () -> T): T =
        try {
            call()
        } catch (error: IllegalArgumentException) {
            throw refused(expected, error)
        } catch (error: IllegalStateException) {
            throw refused(expected, error)
        }

    private fun refused(expected: String, error: RuntimeException) =
        TiersegException("$name: $expected, but LiteRT says: ${error.message}", error)

    private companion object {
        const val NS_PER_MS = 1e6
    }
}
