"""Compares a file's integers with what the network's fake quantization holds in their place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from kit import AdaptiveNetwork
from kit.errors import InputError
from kit.quantization.fake_quant_activation import FakeQuantActivation
from kit.quantization.fake_quant_again import FakeQuantAgain
from kit.quantization.groups import inner_model, tensors_of, walk
from mobile_export.inspection import Inspection
from mobile_export.integer_comparison import Difference, open_interpreter
from mobile_export.integer_executor import IntegerExecutor
from mobile_export.packing import single
from mobile_export.runtime.image_io import resized

_NEAR = 1e-5  # relative: float32's own room, and a zero point that float32 rounds to a whole number
_IMAGE = -1  # in place of the number of a rounding


@dataclass(frozen=True)
class FakeQuantComparison:
    """How far a signature is from the network that was trained in 8 bits.

    Args:
        steps: of each operator that ends where training rounds, both fed with the same int8 values,
            so that no difference comes from an operator before it; named by the operator.
        layers: of each of these, the Keras layer whose output it is.
        logits: of the logits, from the image to the end.
        scale_deviation: largest relative difference of a scale from that of the trained range.
        joined: Keras layers whose output has no tensor of its range in the file. What is only
            concatenated afterwards the converter rounds once, to the range of the concatenation,
            with which it is compared.
    """

    steps: tuple[Difference, ...]
    layers: tuple[str, ...]
    logits: Difference
    scale_deviation: float
    joined: tuple[str, ...]


@dataclass(frozen=True)
class _Rounding:
    """A place where the network rounds.

    Args:
        layer: what rounds.
        taken: what it takes, symbolic.
        given: what it gives, symbolic.
        is_joined: whether a concatenation takes that.
    """

    layer: FakeQuantActivation | FakeQuantAgain
    taken: Any
    given: Any
    is_joined: bool

    @property
    def range(self) -> FakeQuantActivation:
        """What holds its range."""
        return self.layer.owner if isinstance(self.layer, FakeQuantAgain) else self.layer

    @property
    def scale(self) -> float:
        """Size of a step."""
        return (float(self.range.high) - float(self.range.low)) / 255

    @property
    def zero(self) -> int:
        """The int8 that stands for 0."""
        return round(-float(self.range.low) / self.scale) - 128

    def values(self, integers: np.ndarray) -> np.ndarray:
        """The values that integers stand for, float32."""
        steps = integers.astype(np.float32) - np.float32(self.zero)
        return steps * np.float32(self.scale)

    def integers(self, values: Any) -> np.ndarray:
        """The integers that stand for rounded values."""
        return np.rint(np.asarray(values) / self.scale).astype(np.int64) + self.zero


def compare_fake_quant(
    model: bytes,
    signature: str,
    network: AdaptiveNetwork,
    images: Iterable[np.ndarray],
    *,
    kernels: str = "xnnpack",
) -> FakeQuantComparison:
    """Runs a tier in LiteRT and in Keras, and tells the difference operator by operator.

    From the image to the logits, differences add up: a value that float32 finds next to a tie
    between two integers is rounded to either, and what follows is computed from that. Two float32
    kernels of the same network differ so too.

    Args:
        model: bytes of the model.
        signature: name of a tier's signature that takes an image.
        network: the network of fake quantization (`qat`) that the model was made of.
        images: uint8 arrays `(height, width, 3)`, RGB, of any size; at least one.
        kernels: LiteRT's: as of `integer_comparison.compare`.

    Raises:
        InputError: no such signature or kernels, or a range of the network's that no tensor has.
    """
    if signature in Inspection(model).signatures:
        model = single(model, signature)
    executor = IntegerExecutor(model, signature)
    predictor = network.predictor(signature)
    roundings, stepwise = _taken_apart(predictor)
    # Nothing is rounded behind the logits, which are only laid out.
    last = len(roundings) - 1
    whole = inner_model(predictor, [roundings[last].layer.name])
    places = _places(executor, roundings, stepwise)
    missing = [number for number in range(len(roundings)) if number not in places]
    names = {step.output: step.name for step in executor.steps}
    steps = {number: Difference(names[place], 1, 0, 0, 0, 0) for number, place in places.items()}
    logits = Difference("logits", 0, 0, 0, 0, 0)
    interpreter = open_interpreter(model, executor.steps, kernels)
    runner = interpreter.get_signature_runner(signature)
    _, height, width, _ = predictor.inputs[0].shape
    for image in images:
        pixels = resized(image, (height, width))[None]
        runner(image=pixels)
        found = {
            number: np.asarray(interpreter.get_tensor(place, 0)) for number, place in places.items()
        }
        batch = pixels.astype(np.float32)
        values = [
            rounding.values(found[number])
            if number in found
            else np.zeros((1, *rounding.given.shape[1:]), np.float32)
            for number, rounding in enumerate(roundings)
        ]
        if missing:  # what follows takes what Keras gives there
            taken = stepwise([batch, *values], training=False)
            for number in missing:
                values[number] = np.asarray(roundings[number].layer(taken[number], training=False))
        taken = stepwise([batch, *values], training=False)
        for number, integers in found.items():
            rounding = roundings[number]
            expected = rounding.integers(rounding.layer(taken[number], training=False))
            steps[number] += Difference.between(steps[number].name, integers, expected)
        (values_of_last,) = keras.tree.flatten(whole([batch], training=False))
        expected = roundings[last].integers(values_of_last)
        logits += Difference.between("logits", found[last], expected)
    deviations = [
        abs(executor.tensors[place].scale / roundings[number].scale - 1)
        for number, place in places.items()
    ]
    return FakeQuantComparison(
        tuple(steps.values()),
        tuple(roundings[number].layer.name for number in steps),
        logits,
        max(deviations),
        tuple(roundings[number].layer.name for number in missing),
    )


def _taken_apart(predictor: keras.Model) -> tuple[list[_Rounding], keras.Model]:
    """Where a tier rounds, and a model from the image and what is rounded to what is rounded next.

    Its inputs are the image and what each of the roundings gives, its outputs what each takes.
    """
    found: list[tuple[Any, Any, Any]] = []
    joined: set[int] = set()

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        output = layer(*args, **kwargs)
        if isinstance(layer, keras.layers.Concatenate):
            joined.update(id(tensor) for tensor in tensors_of(args))
        if isinstance(layer, FakeQuantActivation | FakeQuantAgain):
            found.append((layer, args[0], output))
        return output

    image = walk(predictor, call).inputs[0]
    roundings = [_Rounding(*item, is_joined=id(item[-1]) in joined) for item in found]
    given, taken = [item.given for item in roundings], [item.taken for item in roundings]
    return roundings, keras.Model([image, *given], taken)


def _places(
    executor: IntegerExecutor, roundings: list[_Rounding], stepwise: keras.Model
) -> dict[int, int]:
    """Number of a rounding -> the file's tensor of its range and shape, made of the same tensors.

    What is concatenated may have none.
    """
    made = {step.output: step.inputs for step in executor.steps}
    numbers = {id(tensor): number for number, tensor in enumerate(stepwise.inputs, start=_IMAGE)}
    known: dict[int, int] = {}
    beyond: dict[int, set[int]] = {}  # sources of a rounding that has no tensor
    for number, (rounding, taken) in enumerate(zip(roundings, stepwise.outputs, strict=True)):
        sources: set[int] = set()
        for tensor in keras.utils.get_source_inputs(taken):
            source = numbers[id(tensor)]
            sources |= beyond.get(source, {source})
        for index in made:
            tensor = executor.tensors[index]
            if (
                index not in known
                and tensor.shape == (1, *taken.shape[1:])
                and len(tensor.scales) == 1
                and abs(tensor.scale / rounding.scale - 1) < _NEAR
                and tensor.zero == rounding.zero
                and _sources(executor, made, known, index) == sources
            ):
                known[index] = number
                break
        else:
            if not rounding.is_joined:
                raise InputError(
                    f"`model` must hold a tensor of scale {rounding.scale:.6g} and zero point "
                    f"{rounding.zero} for {rounding.layer.name}; got none"
                )
            beyond[number] = sources
    return {number: index for index, number in known.items()}


def _sources(
    executor: IntegerExecutor,
    made: Mapping[int, tuple[int, ...]],
    known: Mapping[int, int],
    index: int,
) -> set[int]:
    """The roundings, or the image, that a tensor is made of without another one in between."""
    found, left = set(), list(made[index])
    while left:
        taken = left.pop()
        if taken in known:
            found.add(known[taken])
        elif taken in made:
            left += made[taken]
        elif executor.tensors[taken].constant is None:
            found.add(_IMAGE)
    return found
