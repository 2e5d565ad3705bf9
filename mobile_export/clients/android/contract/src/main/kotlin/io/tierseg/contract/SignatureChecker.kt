package io.tierseg.contract

/**
 * Compares the signatures of a model with what the bundle's metadata says of them.
 *
 * @param bundle what messages call the bundle.
 * @param runner holds the model.
 */
internal class SignatureChecker(private val bundle: String, private val runner: SignatureRunner) {

    /**
     * Checks every tier and every stage.
     *
     * @throws TiersegException a signature is missing, takes or gives other tensors, or a stage
     *   does not take what the one before gives.
     */
    fun check(tiers: List<Tier>, chains: Collection<Chain>) {
        for (tier in tiers) {
            val given = mapOf(TierRunner.IMAGE to image(tier.inputSize))
            checkOne("the tier ${tier.name}", tier.signature, given, tier.maskSize)
        }
        for (chain in chains) {
            var given = mapOf(TierRunner.IMAGE to image(chain.inputSize))
            for (stage in chain.stages) {
                checkOne(chain.configuration, stage, given, chain.exits.last().maskSize)
                given = runner.outputs(stage).filterKeys { it.startsWith(TierRunner.STATE) }
            }
        }
    }

    private fun checkOne(of: String, signature: String, given: Map<String, Tensor>, mask: Size) {
        if (signature !in runner.signatures) {
            throw TiersegException(
                "$bundle: $of lists a signature that the model lacks; expected one of " +
                    "${runner.signatures.joinToString()}, got '$signature'",
            )
        }
        val taken = runner.inputs(signature)
        if (taken != given) fail(signature, "take ${listed(given)}", listed(taken))
        val outputs = runner.outputs(signature)
        val wanted = mapOf(
            TierRunner.MASK to Tensor(UINT8, listOf(1, mask.height, mask.width)),
            TierRunner.CONFIDENCE to Tensor(UINT8, listOf(1)),
        )
        if (outputs.filterKeys { it in wanted } != wanted) {
            fail(signature, "give ${listed(wanted)}", listed(outputs))
        }
    }

    private fun fail(signature: String, expected: String, got: String): Nothing =
        throw TiersegException("$bundle: the signature $signature must $expected; got $got")

    private fun image(size: Size) =
        Tensor(UINT8, listOf(1, size.height, size.width, TierRunner.CHANNELS))

    private companion object {
        const val UINT8 = "uint8"

        fun listed(tensors: Map<String, Tensor>): String =
            tensors.toSortedMap().entries.joinToString { (name, tensor) -> "$name $tensor" }
                .ifEmpty { "nothing" }
    }
}
