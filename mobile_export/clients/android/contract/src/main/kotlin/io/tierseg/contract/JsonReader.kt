package io.tierseg.contract

/**
 * Reads one JSON text (RFC 8259), so that this library needs no other.
 *
 * Objects become a `Map<String, Any?>` in their own order, lists a `List<Any?>`, whole numbers a
 * `Long`, others a `Double`.
 *
 * @param text the whole text.
 */
internal class JsonReader(private val text: String) {

    private var at = 0

    /**
     * The value that the text holds.
     *
     * @throws IllegalArgumentException it is no JSON; the message names the place.
     */
    fun read(): Any? {
        val value = value(0)
        skipSpace()
        if (at < text.length) fail("the end")
        return value
    }

    private fun value(depth: Int): Any? {
        if (depth > MAX_DEPTH) fail("no more than $MAX_DEPTH levels")
        skipSpace()
        return when (peek()) {
            '{' -> readObject(depth)
            '[' -> readList(depth)
            '"' -> string()
            't' -> word("true", true)
            'f' -> word("false", false)
            'n' -> word("null", null)
            else -> number()
        }
    }

    private fun readObject(depth: Int): Map<String, Any?> {
        val entries = LinkedHashMap<String, Any?>()
        items('}') {
            skipSpace()
            val key = string()
            skipSpace()
            expect(':')
            entries[key] = value(depth + 1)
        }
        return entries
    }

    private fun readList(depth: Int): List<Any?> {
        val values = ArrayList<Any?>()
        items(']') { values.add(value(depth + 1)) }
        return values
    }

    /** Items between the bracket that stands here and the one that ends them. */
    private inline fun items(end: Char, item: () -> Unit) {
        at++
        skipSpace()
        if (peek() == end) {
            at++
            return
        }
        while (true) {
            item()
            skipSpace()
            if (peek() == end) break
            expect(',')
        }
        at++
    }

    private fun string(): String {
        expect('"')
        val built = StringBuilder()
        while (true) {
            val next = peek()
            if (next < ' ') fail("a character of a string")
            at++
            when (next) {
                '"' -> return built.toString()
                '\\' -> built.append(escaped())
                else -> built.append(next)
            }
        }
    }

    private fun escaped(): Char {
        val next = peek()
        at++
        return when (next) {
            '"', '\\', '/' -> next
            'b' -> '\b'
            'f' -> '\u000C'
            'n' -> '\n'
            'r' -> '\r'
            't' -> '\t'
            'u' -> unicode()
            else -> fail("an escape")
        }
    }

    private fun unicode(): Char {
        val digits = text.substring(at, minOf(at + HEX_DIGITS, text.length))
        if (digits.length < HEX_DIGITS || digits.any { it !in "0123456789abcdefABCDEF" }) {
            fail("four hexadecimal digits")
        }
        at += HEX_DIGITS
        return digits.toInt(16).toChar()
    }

    private fun number(): Any {
        val match = NUMBER.find(text, at)
        if (match == null || match.range.first != at) fail("a value")
        at = match.range.last + 1
        return match.value.toLongOrNull() ?: match.value.toDouble()
    }

    private fun <T> word(word: String, meaning: T): T {
        if (!text.startsWith(word, at)) fail("a value")
        at += word.length
        return meaning
    }

    private fun skipSpace() {
        while (at < text.length && text[at] in " \t\r\n") at++
    }

    private fun expect(char: Char) {
        if (peek() != char) fail("'$char'")
        at++
    }

    /** The next character; a NUL, which no JSON holds, at the end. */
    private fun peek(): Char = if (at < text.length) text[at] else '\u0000'

    private fun fail(expected: String): Nothing {
        val got = if (at < text.length) "'${text[at]}'" else "the end of the text"
        throw IllegalArgumentException("expected $expected at character $at, got $got")
    }

    private companion object {
        const val MAX_DEPTH = 100
        const val HEX_DIGITS = 4
        val NUMBER = Regex("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")
    }
}
