package io.tierseg

import android.content.Context
import io.tierseg.contract.Bundle
import io.tierseg.contract.TiersegException
import java.io.FileInputStream
import java.io.IOException
import java.nio.channels.FileChannel

/**
 * Opens a bundle in the app's assets, mapped into memory and not copied.
 *
 * @param context any context of the app.
 * @param name the asset, e.g. `camvid.tflite`.
 * @throws TiersegException there is no such asset, it was compressed, or it is no whole bundle.
 */
fun bundleAsset(context: Context, name: String): Bundle {
    val content = try {
        context.assets.openFd(name).use { file ->
            FileInputStream(file.fileDescriptor).use { stream ->
                stream.channel
                    .map(FileChannel.MapMode.READ_ONLY, file.startOffset, file.declaredLength)
            }
        }
    } catch (error: IOException) {
        throw TiersegException(
            "`$name` must be an asset that the build does not compress " +
                "(noCompress += \"tflite\"); got: ${error.message}",
            error,
        )
    }
    return Bundle.open(content, name)
}
