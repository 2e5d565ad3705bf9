package io.tierseg.contract

import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32
import java.util.zip.DataFormatException
import java.util.zip.Inflater

/**
 * A zip that was appended to other bytes, as a bundle's metadata is to its model.
 *
 * @property start where the zip begins: the number of bytes before it.
 */
internal class AppendedZip private constructor(
    private val content: ByteBuffer,
    val start: Int,
    private val entries: Map<String, Entry>,
) {

    /** What the central directory says of one file. */
    private class Entry(
        val header: Int,
        val isEncrypted: Boolean,
        val method: Int,
        val crc: Long,
        val packedSize: Int,
        val size: Int,
    )

    /**
     * The content of a file in the zip, or null if there is none of this name.
     *
     * @throws IllegalArgumentException the zip is damaged.
     */
    fun read(name: String): ByteArray? {
        val entry = entries[name] ?: return null
        require(entry.header + LOCAL_SIZE <= content.limit() && at(entry.header) == LOCAL) {
            "no file begins at byte ${entry.header}"
        }
        val nameSize = short(entry.header + 26)
        val title = ByteArray(minOf(nameSize, content.limit() - entry.header - LOCAL_SIZE)) {
            content.get(entry.header + LOCAL_SIZE + it)
        }
        require(String(title, Charsets.UTF_8) == name && !entry.isEncrypted) {
            "$name is not what stands at byte ${entry.header}, or it is encrypted"
        }
        val data = entry.header + LOCAL_SIZE + nameSize + short(entry.header + 28)
        require(entry.packedSize <= content.limit() - data) { "$name ends too early" }
        val packed = ByteArray(entry.packedSize)
        val view = content.duplicate()
        view.position(data)
        view.get(packed)
        val plain = when (entry.method) {
            STORED -> packed
            DEFLATED -> inflate(packed, entry.size)
            else -> throw IllegalArgumentException("$name is packed by the method ${entry.method}")
        }
        val crc = CRC32().apply { update(plain) }.value
        require(crc == entry.crc && plain.size == entry.size) { "$name fails its CRC-32" }
        return plain
    }

    private fun at(place: Int): Int = content.getInt(place)

    private fun short(place: Int): Int = content.getShort(place).toInt() and 0xFFFF

    companion object {
        private const val LOCAL = 0x04034b50
        private const val LOCAL_SIZE = 30
        private const val CENTRAL = 0x02014b50
        private const val CENTRAL_SIZE = 46
        private const val END = 0x06054b50
        private const val END_SIZE = 22
        private const val MAX_COMMENT = 0xFFFF
        private const val STORED = 0
        private const val DEFLATED = 8
        private const val MAX_SIZE = 64 shl 20
        private const val MAX_VERSION = 63

        /**
         * The zip at the end of some bytes, or null if there is none.
         *
         * @param bytes from the first to the limit; neither is changed.
         * @throws IllegalArgumentException there is one, but it is damaged.
         */
        fun find(bytes: ByteBuffer): AppendedZip? {
            val content = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN)
            val end = endRecord(content) ?: return null
            val directorySize = content.getInt(end + 12).toLong() and 0xFFFFFFFFL
            val directory = end - directorySize
            val shift = directory - (content.getInt(end + 16).toLong() and 0xFFFFFFFFL)
            require(directory >= 0 && shift >= 0) { "its list of files begins before the file" }
            val entries = LinkedHashMap<String, Entry>()
            var place = directory.toInt()
            var start = place
            while (place < end) {
                require(place + CENTRAL_SIZE <= end && content.getInt(place) == CENTRAL) {
                    "its list of files is damaged at byte $place"
                }
                val nameSize = content.getShort(place + 28).toInt() and 0xFFFF
                val more = content.getShort(place + 30).toInt() and 0xFFFF
                val comment = content.getShort(place + 32).toInt() and 0xFFFF
                require(place + CENTRAL_SIZE + nameSize <= end) { "a file's name ends too early" }
                val name = ByteArray(nameSize) { content.get(place + CENTRAL_SIZE + it) }
                val entry = entry(content, place, shift)
                entries[String(name, Charsets.UTF_8)] = entry
                start = minOf(start, entry.header)
                place += CENTRAL_SIZE + nameSize + more + comment
            }
            return AppendedZip(content, start, entries)
        }

        /** True if a file of this name begins near the end of bytes whose zip was cut off. */
        fun isCutOff(bytes: ByteBuffer, name: String): Boolean {
            val content = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN)
            for (place in content.limit() - LOCAL_SIZE - name.length downTo 0) {
                if (content.get(place) == 'P'.code.toByte() && content.getInt(place) == LOCAL) {
                    return name.indices.all {
                        content.get(place + LOCAL_SIZE + it) == name[it].code.toByte()
                    }
                }
            }
            return false
        }

        private fun entry(content: ByteBuffer, place: Int, shift: Long): Entry {
            val header = (content.getInt(place + 42).toLong() and 0xFFFFFFFFL) + shift
            val packed = content.getInt(place + 20).toLong() and 0xFFFFFFFFL
            val size = content.getInt(place + 24).toLong() and 0xFFFFFFFFL
            require(maxOf(header, packed) < content.limit() && size <= MAX_SIZE) {
                "a file of $size bytes cannot stand at byte $header"
            }
            val version = content.get(place + 6).toInt() and 0xFF
            require(version <= MAX_VERSION) { "a file needs version $version of the zip format" }
            return Entry(
                header = header.toInt(),
                isEncrypted = content.getShort(place + 8).toInt() and 1 == 1,
                method = content.getShort(place + 10).toInt() and 0xFFFF,
                crc = content.getInt(place + 16).toLong() and 0xFFFFFFFFL,
                packedSize = packed.toInt(),
                size = size.toInt(),
            )
        }

        /** Where the record stands that ends a zip; only a comment may follow it. */
        private fun endRecord(content: ByteBuffer): Int? {
            val last = content.limit() - END_SIZE
            return (last downTo maxOf(0, last - MAX_COMMENT)).firstOrNull { place ->
                content.getInt(place) == END &&
                    place + END_SIZE + (content.getShort(place + 20).toInt() and 0xFFFF) <=
                    content.limit()
            }
        }

        private fun inflate(packed: ByteArray, size: Int): ByteArray {
            val inflater = Inflater(true)
            try {
                inflater.setInput(packed)
                val plain = ByteArray(size)
                var filled = 0
                while (filled < size) {
                    val count = inflater.inflate(plain, filled, size - filled)
                    require(count > 0) { "a packed file ends too early" }
                    filled += count
                }
                return plain
            } catch (error: DataFormatException) {
                throw IllegalArgumentException("a packed file is damaged: ${error.message}", error)
            } finally {
                inflater.end()
            }
        }
    }
}
