"""The same network in another arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from kit.errors import InputError
from kit.quantization.integer import Integer
from kit.quantization.l1_norm import is_fresh
from kit.quantization.policies import make_arithmetic
from kit.quantization.rounding import Rounding

if TYPE_CHECKING:
    from kit.networks.adaptive_network import AdaptiveNetwork


def quantize(
    network: AdaptiveNetwork,
    policy: str | Mapping[str, Any],
    calibration: Iterable[Any] | None = None,
) -> AdaptiveNetwork:
    """The same network, tiers, exits and weights, in another arithmetic.

    Args:
        network: A network of the kit; it stays as it is.
        policy: `"float32"`, `"qat"` (quantization-aware training), `"integer"` (8-bit integer
            training, to be compiled with `IntegerSGD`), or a mapping with one of these as `policy`
            beside its options (`IntegerOptions`).
        calibration: Batches of images `(batch, height, width, 3)` of the native size, 0–255, or
            tuples that begin with them, read once or twice for each configuration and input size:
            what the ranges of the activations start from, and with `"integer"` the statistics of a
            network that has none, which its kernels are scaled by. Without them each range starts
            from the first batch that its tier is trained on.

    Returns:
        A new network.

    Raises:
        InputError: naming the policy, or a layer that has no integer form; or if `calibration` can
            be read once only and there are several configurations, or the network is new.

    Reference:
        Jacob et al., Quantization and Training of Neural Networks for Efficient
        Integer-Arithmetic-Only Inference, arXiv 1712.05877. Yang et al., Training and Inference for
        Integer-Based Semantic Segmentation Network, arXiv 2011.14504.

    Example:
        >>> network = kit.quantize(network, "qat", calibration=batches)
        >>> network.compile("adamw", loss=loss, schedule=kit.training.PTASampling(seed=0))
    """
    is_new = _is_new(network)
    if is_new and calibration is not None and make_arithmetic(policy).policy == Integer.policy:
        network = _with_statistics(network, calibration)
    quantized = network.in_arithmetic(policy, is_new=is_new)
    if calibration is not None:
        calibrate(quantized, calibration)
    return quantized


def _is_new(network: AdaptiveNetwork) -> bool:
    """Whether a network has normalisations, and these have seen nothing."""
    norms = [
        layer
        for layer in network._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    return bool(norms) and all(is_fresh(norm) for norm in norms)


def _with_statistics(network: AdaptiveNetwork, batches: Iterable[Any]) -> AdaptiveNetwork:
    """A copy of a network whose normalisations have seen something."""
    if iter(batches) is batches:
        raise InputError(
            "`calibration` must be readable more than once for a new network, as a list is; "
            f"received: {type(batches).__name__}"
        )
    network = network.resized(network.image_size)
    network.recalibrate(batches)
    return network


def fitted(images: Any, model: keras.Model) -> Any:
    """A batch of images as a model takes them in: float32, shrunk to its size where it is another.

    Args:
        images: `(batch, height, width, 3)`, 0–255.
        model: Functional, from images.
    """
    images = ops.convert_to_tensor(images, "float32")
    size = tuple(model.inputs[0].shape[1:3])
    if tuple(images.shape[1:3]) == size:
        return images
    return ops.image.resize(images, size, antialias=True, data_format="channels_last")


def calibrate(network: AdaptiveNetwork, batches: Iterable[Any]) -> None:
    """Widen the ranges of a network's activations to what they hold on some images.

    Args:
        network: With ranges; one without stays as it is.
        batches: As `calibration` of `quantize`, of the native size.
    """
    arithmetic = network.arithmetic
    if not isinstance(arithmetic, Rounding):
        return
    finals = network.final_tiers
    if len(finals) > 1 and iter(batches) is batches:
        raise InputError(
            "`calibration` must be readable once for each configuration, as a list is; "
            f"received: {type(batches).__name__}"
        )
    with arithmetic.ranges("observe"):
        for final in finals:
            model = network.joint_model(network.exits_of(final))
            for batch in batches:
                images = batch[0] if isinstance(batch, tuple) else batch
                model(fitted(images, model), training=False)
