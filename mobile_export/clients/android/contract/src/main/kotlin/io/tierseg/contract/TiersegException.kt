package io.tierseg.contract

/**
 * Wrong use: a bad bundle, argument or image.
 *
 * @param message names the file or the argument, what was expected and what came; line breaks in it
 *   become spaces, so that it is one line.
 * @param cause the library's own error, if one lies behind it.
 */
class TiersegException(message: String, cause: Throwable? = null) :
    IllegalArgumentException(message.trim().replace(Regex("\\s+"), " "), cause)
