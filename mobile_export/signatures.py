"""One frozen graph function for each tier and stage of a network."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import keras
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from kit import AdaptiveNetwork, Tier
from kit.layers import ClassMask, Confidence
from mobile_export.folded_upsampling import with_folded_upsampling
from mobile_export.lowering import lowered_confidence, lowered_mask
from mobile_export.runtime.errors import TiersegError

Outputs = Literal["mask", "logits"]

OUTPUTS: dict[str, tuple[str, ...]] = {"mask": ("mask", "confidence"), "logits": ("logits",)}
"""Kind of bundle -> names of the outputs of each of its signatures."""


@dataclass(frozen=True)
class FrozenGraph:
    """Any part of a network as a graph that holds its weights as constants.

    Args:
        name: of its signature.
        function: TensorFlow function from float32 tensors to the outputs by name.
        inputs: shape of each input, by name, in the function's order.
    """

    name: str
    function: Any
    inputs: Mapping[str, tuple[int, ...]]


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
        name, model = f"{tier.name}_logits", network.logits_model(tier.name)
    elif stage is not None:
        name, model = tier.stage_name(stage), network.stage(tier, stage)
        tier = network.exits_of(tier)[stage - 1]
    else:
        policy = network.policy(tier)
        if pixel_threshold is not None:
            policy = replace(policy, pixel_threshold=pixel_threshold)
        name, model = tier.name, network.predictor(tier.name, policy)
    graph = freeze_model(name, model, quantized=quantized)
    return FrozenTier(tier, size, graph.function, stage, graph.inputs)


def freeze_model(name: str, model: keras.Model, *, quantized: bool = True) -> FrozenGraph:
    """Turns any part of a network into a graph of constants.

    Args:
        name: of its signature.
        model: functional, with named inputs, to a dictionary. Where it gives a `mask` and a
            `confidence`, their layers are said in LiteRT's operators.
        quantized: as of `freeze`.
    """
    lowered = {name: layer_of(model, name) for name in OUTPUTS["mask"] if name in model.output}
    sources = {name: layer.input for name, layer in lowered.items()}
    others = {name: value for name, value in model.output.items() if name not in lowered}
    body = with_folded_upsampling(keras.Model(model.input, sources | others))
    shapes = {tensor.name: (1, *tensor.shape[1:]) for tensor in body.inputs}
    takes_image = list(shapes) == ["image"]

    def run(*tensors: Any) -> dict[str, Any]:
        if takes_image and quantized:
            tensors = (tf.quantization.fake_quant_with_min_max_args(tensors[0], 0, 255),)
        given = tensors[0] if takes_image else dict(zip(shapes, tensors, strict=True))
        values = body(given, training=False)
        if "mask" in lowered:
            values["mask"] = lowered_mask(values["mask"], lowered["mask"])
        if "confidence" in lowered:
            values["confidence"] = pinned_confidence(
                values["confidence"], lowered["confidence"], quantized=quantized
            )
        return values

    return freeze_function(name, run, shapes)


def pinned_confidence(logits: Any, layer: Confidence, *, quantized: bool = True) -> Any:
    """`Confidence` as a signature gives it: in LiteRT's operators, and over the whole of 0-1.

    Args:
        logits: float32 `(1, height, width, classes)`.
        layer: the layer to stand in for, with one threshold.
        quantized: as of `freeze`.
    """
    confidence = lowered_confidence(logits, layer, quantized=quantized)
    if quantized:
        confidence = tf.quantization.fake_quant_with_min_max_args(confidence, 0, 1)
    return confidence


def freeze_function(
    name: str, run: Callable[..., dict[str, Any]], inputs: Mapping[str, tuple[int, ...]]
) -> FrozenGraph:
    """Turns a function of tensors into a graph of constants.

    Args:
        name: of its signature.
        run: from one float32 tensor an input, in their order, to the outputs by name.
        inputs: shape of each input, by name.
    """
    specifications = [tf.TensorSpec(shape, tf.float32, name=key) for key, shape in inputs.items()]
    traced = tf.function(run, input_signature=specifications).get_concrete_function()
    frozen = convert_variables_to_constants_v2(traced)
    names = sorted(traced.structured_outputs)  # the order in which TensorFlow flattens a dictionary

    def call(*tensors: Any) -> dict[str, Any]:
        values = frozen(*tensors)
        return {key: tf.identity(value, key) for key, value in zip(names, values, strict=True)}

    function = tf.function(call, input_signature=specifications).get_concrete_function()
    return FrozenGraph(name, function, dict(inputs))


def save(tiers: Iterable[FrozenTier | FrozenGraph], folder: str | os.PathLike[str]) -> None:
    """Writes a SavedModel with one signature for each tier and stage.

    Args:
        tiers: the frozen tiers and stages, or other graphs.
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


def layer_of(predictor: keras.Model, name: str) -> Any:
    """The layer of a predictor that makes its `mask` or its `confidence`."""
    kind = {"mask": ClassMask, "confidence": Confidence}[name]
    (layer,) = (layer for layer in predictor.layers if isinstance(layer, kind))
    return layer
