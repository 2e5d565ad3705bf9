package io.tierseg.contract

/**
 * One object of the metadata, whose fields are checked as they are read.
 *
 * @param of what messages call the object, e.g. `camvid.tflite: metadata.json: tier light`.
 * @param values its fields.
 */
internal class Fields(private val of: String, private val values: Map<*, *>) {

    /** A text, or null where the field is absent. */
    fun text(name: String): String? = read(name, "a text") { it as? String }

    /** A whole number, or null where the field is absent, null or no number. */
    fun count(name: String): Long? = values[name] as? Long

    /** A number, or null where the field is absent, null or no number. */
    fun figure(name: String): Double? = (values[name] as? Number)?.toDouble()

    /** An object, or null where the field is absent. */
    fun fields(name: String): Fields? =
        read(name, "an object") { it as? Map<*, *> }?.let { Fields("$of: `$name`", it) }

    /** A list, empty where the field is absent. */
    fun list(name: String): List<*> = read(name, "a list") { it as? List<*> } ?: emptyList<Any?>()

    /** An early exit's place from 1, or null where the field is absent or null (the final exit). */
    fun exit(name: String): Int? =
        values[name]?.let { value ->
            (value as? Long)?.takeIf { it in 1..Int.MAX_VALUE }?.toInt()
                ?: fail(name, "an integer from 1, or null for the final exit", value)
        }

    /** Names, empty where the field is absent. */
    fun names(name: String): List<String> =
        list(name).map { it as? String ?: fail(name, "a list of signatures' names", values[name]) }

    /** A share 0-1, or null where the field is absent or null. */
    fun share(name: String): Double? =
        values[name]?.let { value ->
            (value as? Number)?.toDouble()?.takeIf { it in 0.0..1.0 }
                ?: fail(name, "a share 0-1", value)
        }

    /** A list [height, width], or null where the field is absent. */
    fun size(name: String): Size? =
        read(name, "[height, width] in pixels") { value ->
            val sides = (value as? List<*>)?.map { side(it) }
            if (sides?.size != 2) null else sides[0]?.let { h -> sides[1]?.let { Size(h, it) } }
        }

    /** An object's `height` and `width`, of which both must be there. */
    fun heightAndWidth(): Size {
        val (height, width) = listOf("height", "width").map { name ->
            side(values[name]) ?: fail(name, "a number of pixels from 1", values[name])
        }
        return Size(height, width)
    }

    /** A colour's channels [red, green, blue] or another list of bytes; null if it is no such. */
    fun bytes(name: String): List<Int>? =
        (values[name] as? List<*>)?.map { byte(it) ?: return null }

    /** A whole number 0-255, or null if the field is no such. */
    fun byte(name: String): Int? = byte(values[name])

    /** Says that a field is wrong. */
    fun fail(name: String, expected: String, got: Any?): Nothing =
        throw TiersegException("$of: `$name` must be $expected; got ${shown(got)}")

    override fun toString(): String = values.toString()

    private fun <T : Any> read(name: String, expected: String, convert: (Any) -> T?): T? =
        values[name]?.let { convert(it) ?: fail(name, expected, it) }

    private fun side(value: Any?): Int? =
        (value as? Long)?.takeIf { it in 1..MAX_SIDE }?.toInt()

    private fun byte(value: Any?): Int? = (value as? Long)?.takeIf { it in 0..255 }?.toInt()

    private companion object {
        const val MAX_SIDE = 16_384L

        fun shown(value: Any?): String = if (value is String) "'$value'" else value.toString()
    }
}
