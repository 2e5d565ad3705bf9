package androidx.activity.result

import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia.VisualMediaType

/** Stub to compile against: what is called of PickVisualMediaRequest here; nothing runs. */
class PickVisualMediaRequest

/** Stub to compile against; it makes an empty request. */
fun PickVisualMediaRequest(@Suppress("UNUSED_PARAMETER") mediaType: VisualMediaType) =
    PickVisualMediaRequest()
