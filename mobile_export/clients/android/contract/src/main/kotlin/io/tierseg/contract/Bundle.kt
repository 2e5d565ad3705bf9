package io.tierseg.contract

import java.io.File
import java.io.IOException
import java.io.RandomAccessFile
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import java.nio.charset.CharacterCodingException
import java.security.MessageDigest

/**
 * One bundle, read and checked against its own checksum.
 *
 * @property name file name, for messages and headings.
 * @property model the `.tflite`'s bytes without the metadata; direct and of native order if the
 *   bundle's were direct or mapped, as LiteRT wants them.
 * @property sha256 checksum of [model], hexadecimal, which has been compared.
 * @property labels the classes of its masks.
 * @property tiers every tier, lightest first.
 * @property defaultTier the tier that an app begins with.
 * @property chains the exits of each configuration that has stages, by its name.
 */
class Bundle private constructor(
    val name: String,
    val model: ByteBuffer,
    val sha256: String,
    val labels: List<Label>,
    val tiers: List<Tier>,
    val defaultTier: Tier,
    val chains: Map<String, Chain>,
) {

    /** The colours that the masks are painted in. */
    val palette: Palette by lazy { Palette(labels) }

    /**
     * What the bundle says of a tier.
     *
     * @param name name of the tier.
     * @throws TiersegException there is no such tier.
     */
    fun tier(name: String): Tier =
        tiers.firstOrNull { it.name == name }
            ?: throw TiersegException(
                "`tier` must be one of ${tiers.joinToString { it.name }} in ${this.name}; " +
                    "got '$name'",
            )

    /**
     * The exits of a configuration, for adaptive runs.
     *
     * @param configuration its name.
     * @throws TiersegException there is no such configuration, or it has no stages.
     */
    fun chain(configuration: String = defaultTier.configuration): Chain =
        chains[configuration]
            ?: throw TiersegException(
                "`configuration` must be one with stages (" +
                    chains.keys.joinToString().ifEmpty { "none in this bundle" } +
                    ") to run exit after exit in $name; got '$configuration'",
            )

    /**
     * The best tier whose inference fits a time budget.
     *
     * @param budgetMs longest inference time, milliseconds.
     * @param latenciesMs time of each tier on this device by its name, milliseconds; those that the
     *   bundle has from the machine that it was measured on if null.
     * @throws TiersegException no tier fits, or a tier has no time.
     */
    fun fastestWithin(budgetMs: Double, latenciesMs: Map<String, Double>? = null): Tier =
        bestWithin(budgetMs, tiers, latenciesMs ?: measuredLatencies())

    private fun measuredLatencies(): Map<String, Double> {
        val missing = tiers.filter { it.latencyMs == null }.joinToString { it.name }
        if (missing.isNotEmpty()) {
            throw TiersegException(
                "`latenciesMs` must be measured on this device, since $name holds no " +
                    "`latency_ms` of $missing; got null",
            )
        }
        return tiers.associate { it.name to checkNotNull(it.latencyMs) }
    }

    companion object {
        /** Name of the metadata in the zip at the end of a bundle. */
        const val METADATA_NAME = "metadata.json"

        /**
         * Reads a bundle from a file.
         *
         * @param file the `.tflite`.
         * @throws TiersegException there is no such file, or as of the other [open].
         */
        fun open(file: File): Bundle {
            val content = try {
                RandomAccessFile(file, "r").use { it.channel.mapped() }
            } catch (error: IOException) {
                throw TiersegException("$file must be a bundle (`.tflite`); got ${error.message}")
            }
            return open(content, file.path)
        }

        /**
         * Reads a bundle from memory.
         *
         * @param content bytes of the whole file, from the first to the limit; not to be changed
         *   while the bundle is in use.
         * @param name what messages call it.
         * @throws TiersegException it is no `.tflite`, it is damaged, or it has no metadata.
         */
        fun open(content: ByteBuffer, name: String = "the bundle"): Bundle {
            val bytes = content.duplicate()
            bytes.rewind()
            checkIdentifier(bytes, name)
            val (modelSize, text) = readZip(bytes, name)
            val metadata = MetadataReader(name, parse(text, name))
            bytes.limit(modelSize)
            val model = bytes.slice().order(ByteOrder.nativeOrder())
            val sha256 = sha256(model)
            if (metadata.sha256 != sha256) {
                throw TiersegException(
                    "$name is corrupt; expected sha256 ${metadata.sha256} as $METADATA_NAME " +
                        "says, got $sha256",
                )
            }
            val labels = metadata.labels()
            val tiers = metadata.tiers()
            val default = metadata.defaultTier(tiers)
            return Bundle(name, model, sha256, labels, tiers, default, Chain.all(name, tiers))
        }

        private fun FileChannel.mapped(): ByteBuffer =
            map(FileChannel.MapMode.READ_ONLY, 0, size())

        private fun checkIdentifier(bytes: ByteBuffer, name: String) {
            val start = ByteArray(minOf(8, bytes.limit())) { bytes.get(it) }
            if (String(start, Charsets.ISO_8859_1).drop(4) != "TFL3") {
                throw TiersegException(
                    "$name is not a bundle; expected a `.tflite` model (TFL3 at byte 4), got " +
                        "${bytes.limit()} bytes that start with ${hex(start)}",
                )
            }
        }

        private fun readZip(bytes: ByteBuffer, name: String): Pair<Int, ByteArray> {
            val zip = try {
                val found = AppendedZip.find(bytes)
                val text = found?.read(METADATA_NAME)
                require(found != null || !AppendedZip.isCutOff(bytes, METADATA_NAME)) {
                    "the file ends too early"
                }
                text?.let { found.start to it }
            } catch (error: IllegalArgumentException) {
                throw TiersegException(
                    "$name is corrupt; expected $METADATA_NAME in a zip at its end, got one that " +
                        "cannot be read: ${error.message}",
                    error,
                )
            }
            return zip ?: throw TiersegException(
                "$name must be a bundle with $METADATA_NAME in a zip at its end, as `tierseg " +
                    "export` writes it; got a `.tflite` without",
            )
        }

        private fun parse(text: ByteArray, name: String): Map<*, *> {
            val content = try {
                JsonReader(Charsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(text)).toString())
                    .read()
            } catch (error: IllegalArgumentException) {
                throw damagedJson(name, error)
            } catch (error: CharacterCodingException) {
                throw damagedJson(name, error)
            }
            return content as? Map<*, *>
                ?: throw TiersegException(
                    "$name is corrupt; expected a JSON object in $METADATA_NAME, " +
                        "got ${content?.javaClass?.simpleName}",
                )
        }

        private fun damagedJson(name: String, error: Exception) = TiersegException(
            "$name is corrupt; expected JSON in $METADATA_NAME, got: ${error.message}",
            error,
        )

        private fun sha256(model: ByteBuffer): String {
            val digest = MessageDigest.getInstance("SHA-256")
            digest.update(model.duplicate())
            return hex(digest.digest())
        }

        private fun hex(bytes: ByteArray): String =
            bytes.joinToString("") { byte -> (byte.toInt() and 0xFF).toString(16).padStart(2, '0') }
    }
}
