package io.tierseg.contract

import java.io.Closeable
import java.nio.ByteBuffer

/**
 * Runs the signatures of one model by name: LiteRT on a device, something else in a test.
 *
 * One thread at a time calls it; [TierRunner] sees to that.
 */
interface SignatureRunner : Closeable {

    /** Names of the model's signatures. */
    val signatures: Set<String>

    /** Tensor of each input of a signature, by its name. */
    fun inputs(signature: String): Map<String, Tensor>

    /** Tensor of each output of a signature, by its name. */
    fun outputs(signature: String): Map<String, Tensor>

    /**
     * Calls a signature.
     *
     * @param signature name of the signature.
     * @param inputs a direct buffer of each input's bytes, at position 0.
     * @param outputs a direct buffer for each output's bytes, at position 0; written whole.
     * @return time of the inference alone, milliseconds.
     * @throws TiersegException the signature cannot run.
     */
    fun run(
        signature: String,
        inputs: Map<String, ByteBuffer>,
        outputs: Map<String, ByteBuffer>,
    ): Double
}
