"""How much of each layer's signal rounding leaves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from kit.quantization.fake_quant_activation import FakeQuantActivation
from kit.quantization.groups import inner_model
from kit.quantization.quantize import fitted, quantize
from kit.quantization.rounding import Rounding

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork


@dataclass(frozen=True)
class LayerNoise:
    """Signal and noise of one layer's output.

    Args:
        layer: Its name.
        snr_db: `10 log10` of the signal's energy over that of the difference; infinite if there is
            none.
    """

    layer: str
    snr_db: float


def layer_noise(
    network: AdaptiveNetwork, tiers: Iterable[str], batches: Iterable[Any]
) -> dict[str, list[LayerNoise]]:
    """Compare what tiers compute in 8 bits with what they compute in float32, layer by layer.

    The noise is what has gathered up to a layer: that of its own rounding and of all before it. A
    network in float32 is judged as it would be after quantization with the ranges of `batches`.

    Args:
        network: In any arithmetic.
        tiers: Names of its tiers.
        batches: Images `(batch, height, width, 3)`, 0–255, of the native size, readable more than
            once.

    Returns:
        For each tier, one for each output that is rounded, in the order in which they are computed.
    """
    batches = list(batches)
    if isinstance(network.arithmetic, Rounding):
        rounded, plain = network, quantize(network, "float32")
    else:
        rounded, plain = quantize(network, "qat", calibration=batches), network
    return {
        tier: _noise(plain.logits_model(tier), rounded.logits_model(tier), batches)
        for tier in tiers
    }


def _noise(of_plain: keras.Model, of_rounded: keras.Model, batches: list[Any]) -> list[LayerNoise]:
    known = {layer.name for layer in of_plain.layers}
    ranges = [
        layer
        for layer in of_rounded.layers
        if isinstance(layer, FakeQuantActivation) and layer.source in known
    ]
    pair = (
        inner_model(of_plain, [layer.source for layer in ranges]),
        inner_model(of_rounded, [layer.name for layer in ranges]),
    )
    signal, noise = np.zeros(len(ranges)), np.zeros(len(ranges))
    for batch in batches:
        images = fitted(batch, of_plain)
        expected, found = (model(images, training=False) for model in pair)
        for index, (a, b) in enumerate(zip(expected, found, strict=True)):
            a, b = (ops.convert_to_numpy(x).astype(np.float64) for x in (a, b))
            signal[index] += (a**2).sum()
            noise[index] += ((a - b) ** 2).sum()
    # Scores of a skip that begins at zero have neither signal nor noise.
    ratio = np.divide(signal, noise, out=np.full(len(ranges), np.inf), where=noise > 0)
    with np.errstate(divide="ignore"):
        decibels = 10 * np.log10(ratio)
    return [
        LayerNoise(layer.source, float(value))
        for layer, value in zip(ranges, decibels, strict=True)
    ]
