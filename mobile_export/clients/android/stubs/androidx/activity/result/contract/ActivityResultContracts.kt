package androidx.activity.result.contract

import android.net.Uri
import androidx.activity.result.PickVisualMediaRequest

/** Stub to compile against: what is called of ActivityResultContracts here; nothing runs. */
class ActivityResultContracts private constructor() {

    class RequestPermission : ActivityResultContract<String, Boolean>()

    open class PickVisualMedia : ActivityResultContract<PickVisualMediaRequest, Uri?>() {

        sealed interface VisualMediaType

        object ImageOnly : VisualMediaType
    }
}
