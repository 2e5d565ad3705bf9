import com.example.CamvidExits
import io.tierseg.bundles.Tiny

/** Prints, line by line, what two written contracts hold. */
fun main() {
    println("${Tiny.NAME} ${Tiny.VERSION} ${Tiny.SHA256} ${Tiny.DEFAULT_TIER}")
    println(Tiny.Tiers.LIGHT_24X32)
    for (tier in Tiny.tiers) println(
        "${tier.name} ${tier.signature} ${tier.configuration} ${tier.exit} ${tier.stages} " +
            "${tier.height} ${tier.width} ${tier.pixelThreshold} ${tier.imageThreshold}",
    )
    for (label in Tiny.labels) println("${label.id} ${label.name} ${label.color}")
    for (signature in CamvidExits.signatures) println(
        "${signature.name} ${tensors(signature.inputs)} ${tensors(signature.outputs)} " +
            tensors(signature.states),
    )
}

private fun tensors(items: List<Any>) = items.joinToString("|") { item ->
    when (item) {
        is CamvidExits.Tensor -> "${item.name}:${item.type}:${item.shape.joinToString("x")}"
        else -> error("$item is no tensor")
    }
}
