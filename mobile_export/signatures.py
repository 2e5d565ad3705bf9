"""One frozen graph function for each tier and stage of a network."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from kit import AdaptiveNetwork, Tier
from kit.layers import ClassMask, Confidence
from mobile_export.lowering import lowered_confidence, lowered_mask
from mobile_export.runtime.errors import TiersegError

Outputs = Literal["mask", "logits"]

OUTPUTS: dict[str, tuple[str, ...]] = {"mask": ("mask", "confidence"), "logits": ("logits",)}
"""Kind of bundle -> names of the outputs of each of its signatures."""


@dataclass(frozen=True)
class FrozenTier:
    """A tier, or one stage of its configuration, as a graph that holds its weights as constants.

    Args:
        tier: the tier; of a stage, the one at which it ends.
        input_size: (height, width) of `image`, pixels.
        function: TensorFlow function from `image`, float32 `(1, height, width, 3)`, RGB, 0-255, to
            the outputs by name: `mask`, uint8 `(1, height, width)`, and `confidence`, float32
            `(1,)`, 0-1; or `logits`, float32 `(1, h, w, classes)`. A stage may take `state_*`
            instead of the image, and give some too: float32 `(1, h, w, channels)`.
        stage: number of the stage, 1 is the first; None for the tier in one shot.
        inputs: shape of each input, by name.
    """

    tier: Tier
    input_size: tuple[int, int]
    function: Any
    stage: int | None = None
    inputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the signature."""
        return self.tier.name if self.stage is None else self.tier.stage_name(self.stage)

    @property
    def after(self) -> str | None:
        """Name of the signature that gives the states that this one takes, if it takes some."""
        return self.tier.stage_name(self.stage - 1) if self.stage and self.stage > 1 else None


def freeze(
    network: AdaptiveNetwork,
    tier: Tier,
    *,
    stage: int | None = None,
    outputs: Outputs = "mask",
    pixel_threshold: float | None = None,
    quantized: bool = True,
) -> FrozenTier:
    """Turns one tier, or one stage, into a graph of constants.

    Functions that capture Keras variables leave variable reads in a SavedModel, on which the
    converter's calibration crashes; constants do not.

    Args:
        network: the network.
        tier: which of its tiers; of a stage, any of its configuration.
        stage: number of the stage, 1 is the first; None for the tier in one shot.
        outputs: `"mask"` or `"logits"`; a stage has masks alone.
        pixel_threshold: class probability from which a pixel counts as sure; that of the tier's own
            policy if None. Stages have their own.
        quantized: whether the ranges that the contract promises (image 0-255, confidence 0-1) are
            pinned, for a conversion to integers.

    Raises:
        TiersegError: Keras does not run on TensorFlow.
        InputError: the network has no such stage.
    """
    if keras.backend.backend() != "tensorflow":
        raise TiersegError(
            f"KERAS_BACKEND must be tensorflow to export; got {keras.backend.backend()} "
            "(a network that was trained on another backend loads on tensorflow as it is)"
        )
    size = tier.input_size or network.image_size
    if outputs == "logits":
        return _frozen(network.logits_model(tier.name), tier, size, None, {}, quantized)
    if stage is not None:
        predictor = network.stage(tier, stage)
        tier = network.exits_of(tier)[stage - 1]
    else:
        policy = network.policy(tier)
        if pixel_threshold is not None:
            policy = replace(policy, pixel_threshold=pixel_threshold)
        predictor = network.predictor(tier.name, policy)
    lowered = {name: _layer(predictor, name) for name in ("mask", "confidence")}
    sources = {name: layer.input for name, layer in lowered.items()}
    states = {name: value for name, value in predictor.output.items() if name not in lowered}
    model = keras.Model(predictor.input, sources | states)
    return _frozen(model, tier, size, stage, lowered, quantized)


def _frozen(
    model: keras.Model,
    tier: Tier,
    size: tuple[int, int],
    stage: int | None,
    lowered: Mapping[str, Any],
    quantized: bool,
) -> FrozenTier:
    """A model's graph; `lowered` are the layers that are said in LiteRT's operators instead."""
    shapes = {tensor.name: (1, *tensor.shape[1:]) for tensor in model.inputs}
    takes_image = list(shapes) == ["image"]

    def run(*tensors: Any) -> dict[str, Any]:
        if takes_image and quantized:
            tensors = (tf.quantization.fake_quant_with_min_max_args(tensors[0], 0, 255),)
        given = tensors[0] if takes_image else dict(zip(shapes, tensors, strict=True))
        values = model(given, training=False)
        if "mask" in lowered:
            values["mask"] = lowered_mask(values["mask"], lowered["mask"])
            confidence = lowered_confidence(
                values["confidence"], lowered["confidence"], quantized=quantized
            )
            if quantized:
                confidence = tf.quantization.fake_quant_with_min_max_args(confidence, 0, 1)
            values["confidence"] = confidence
        return values

    specifications = [tf.TensorSpec(shape, tf.float32, name=name) for name, shape in shapes.items()]
    traced = tf.function(run, input_signature=specifications).get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced)
    names = sorted(traced.structured_outputs)  # the order in which TensorFlow flattens a dictionary

    def call(*tensors: Any) -> dict[str, Any]:
        values = frozen(*tensors)
        return {name: tf.identity(value, name) for name, value in zip(names, values, strict=True)}

    function = tf.function(call, input_signature=specifications).get_concrete_function()
    return FrozenTier(tier, size, function, stage, shapes)


def save(tiers: Iterable[FrozenTier], folder: str | os.PathLike[str]) -> None:
    """Writes a SavedModel with one signature for each tier and stage.

    Args:
        tiers: the frozen tiers and stages.
        folder: where the SavedModel is written.
    """
    module = tf.Module()
    signatures = {tier.name: tier.function for tier in tiers}
    module.functions = list(signatures.values())
    tf.saved_model.save(module, os.fspath(folder), signatures=signatures)


def choose(network: AdaptiveNetwork, tiers: Sequence[str | Tier] | None) -> tuple[Tier, ...]:
    """The tiers to export, in the network's own order.

    Args:
        network: the network.
        tiers: names, or None for all.

    Raises:
        TiersegError: the network has no such tier, or none was named.
    """
    known = {tier.name: tier for tier in network.tiers}
    names = list(known) if tiers is None else [str(tier) for tier in tiers]
    for name in names:
        if name not in known:
            raise TiersegError(f"`tiers` must be among {', '.join(known)}; got {name!r}")
    if not names:
        raise TiersegError(f"`tiers` must name one or more of {', '.join(known)}; got none")
    return tuple(tier for name, tier in known.items() if name in names)


def chosen_stages(network: AdaptiveNetwork, tiers: Sequence[Tier]) -> tuple[tuple[Tier, int], ...]:
    """The stages that lead to the tiers: those of each configuration whose exits are all there.

    Args:
        network: the network.
        tiers: the tiers to export.

    Returns:
        The tier at which each stage ends, and the stage's number, 1 is the first. None if the
        network has no early exits, or several at one point.
    """
    depths = [exit_.after for exit_ in network.exits]
    if not depths or len(set(depths)) < len(depths):
        return ()
    found: list[tuple[Tier, int]] = []
    for final in network.final_tiers:
        exits = network.exits_of(final)
        if set(exits) <= set(tiers):
            found += [(tier, number) for number, tier in enumerate(exits, start=1)]
    return tuple(found)


def _layer(predictor: keras.Model, name: str) -> Any:
    """The layer of a predictor that makes one of its outputs."""
    kind = {"mask": ClassMask, "confidence": Confidence}[name]
    (layer,) = (layer for layer in predictor.layers if isinstance(layer, kind))
    return layer
