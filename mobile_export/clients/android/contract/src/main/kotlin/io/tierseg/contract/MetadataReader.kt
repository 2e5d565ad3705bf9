package io.tierseg.contract

import io.tierseg.contract.Bundle.Companion.METADATA_NAME

/**
 * Reads labels and tiers out of a bundle's metadata.
 *
 * @param bundle what messages call the bundle.
 * @param content the whole of `metadata.json`.
 */
internal class MetadataReader(private val bundle: String, content: Map<*, *>) {

    private val metadata = Fields("$bundle: $METADATA_NAME", content)

    /** Checksum that the model must have, hexadecimal; null if there is none. */
    val sha256: String?
        get() = metadata.text("sha256")

    /** The classes; empty if the bundle names none. */
    fun labels(): List<Label> = metadata.list("labels").map { entry ->
        (entry as? Map<*, *>)?.let { label(Fields("a label", it)) }
            ?: throw TiersegException(
                "$bundle has a wrong label in $METADATA_NAME; expected id, name and color " +
                    "[r, g, b] of 0-255, got $entry",
            )
    }

    /** Every tier, in the order of the list, which goes from light to heavy. */
    fun tiers(): List<Tier> {
        val native = metadata.fields("image")?.heightAndWidth()
        val mask = metadata.fields("mask")?.heightAndWidth() ?: native
        val tiers = metadata.list("tiers").map { entry ->
            val values = entry as? Map<*, *> ?: throw TiersegException(
                "$bundle: $METADATA_NAME: `tiers` must hold objects; got $entry",
            )
            tier(values, native, mask)
        }
        if (tiers.isEmpty()) {
            throw TiersegException("$bundle: $METADATA_NAME must list one tier or more; got none")
        }
        return tiers
    }

    /** The tier that the metadata names as default, else the first. */
    fun defaultTier(tiers: List<Tier>): Tier {
        val name = metadata.text("default_tier") ?: return tiers.first()
        return tiers.firstOrNull { it.name == name }
            ?: metadata.fail("default_tier", "one of ${tiers.joinToString { it.name }}", name)
    }

    private fun label(entry: Fields): Label? {
        val id = entry.byte("id") ?: return null
        val name = entry.text("name") ?: return null
        val color = entry.bytes("color")?.takeIf { it.size == 3 } ?: return null
        return Label(id, name, color[0], color[1], color[2])
    }

    private fun tier(values: Map<*, *>, native: Size?, mask: Size?): Tier {
        val name = (values["name"] ?: values["signature"]) as? String
            ?: throw TiersegException("$bundle: $METADATA_NAME: a tier must have a name; got none")
        val entry = Fields("$bundle: $METADATA_NAME: tier $name", values)
        val signature = entry.text("signature") ?: name
        val base = EXIT.matchEntire(signature)?.groupValues?.get(1) ?: signature
        val configuration = entry.text("configuration") ?: base
        val size = entry.size("input_size") ?: native
            ?: entry.fail("input_size", "[height, width] in pixels", null)
        val thresholds = entry.fields("thresholds")
        return Tier(
            name = name,
            signature = signature,
            stages = entry.names("stages"),
            configuration = if (base == "${configuration}_$size") base else configuration,
            exit = entry.exit("exit"),
            inputSize = size,
            maskSize = mask ?: size,
            imageThreshold = thresholds?.share("image"),
            pixelThreshold = thresholds?.share("pixel"),
            miou = entry.figure("miou"),
            dice = entry.figure("dice"),
            latencyMs = entry.figure("latency_ms"),
            parameters = entry.count("parameters"),
            macs = entry.count("macs"),
        )
    }

    private companion object {
        val EXIT = Regex("(.+)_exit[1-9][0-9]*")
    }
}
