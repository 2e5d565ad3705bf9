package io.tierseg.contract

/** A value of maps, lists, texts, numbers and booleans as JSON. */
internal fun toJson(value: Any?): String = when (value) {
    is Map<*, *> -> value.entries.joinToString(",", "{", "}") { (key, item) ->
        "${toJson(key)}:${toJson(item)}"
    }
    is Iterable<*> -> value.joinToString(",", "[", "]") { toJson(it) }
    is String -> value.asSequence().joinToString("", "\"", "\"") { char ->
        if (char in ' '..'~' && char !in "\"\\") "$char" else "\\u%04x".format(char.code)
    }
    else -> value.toString()
}
