"""Kernels that were trained as integers are these integers in the file."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import pytest

import kit
from kit.quantization import Integer, quantize
from kit.quantization.integer_conv import IntegerConv
from kit.quantization.l1_norm import L1Norm
from mobile_export import export
from mobile_export.exporter import ExportResult
from mobile_export.runtime import Bundle, Segmenter
from mobile_export.whole_kernels import whole_kernels, with_whole_kernels
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, IMAGE_SIZE, small_unet
from tests.mobile_export.int8_convolutions import (
    CODES,
    INPUT_STEP,
    Convolutions,
    Placed,
    laid_out,
    read,
    signs,
)

FAMILIES = ("fcn", "fcn of fitted spans", "unet")
TIERS = {
    "fcn": ("plain_exit1", "plain"),
    "fcn of fitted spans": ("plain",),
    "unet": ("light", "bold_exit1"),
}

LIGHT = "hl" + "hll" + "hlll" + "hll" + "hll" + "h" + "llls"
# From the second block on, nothing is computed alike.
BOLD = "hh" + LIGHT[2:]


# === Networks ===


@dataclass(frozen=True)
class Made:
    """A network that was trained in integers, and its bundle."""

    network: kit.AdaptiveNetwork
    tiers: tuple[str, ...]
    result: ExportResult
    placed: list[Placed]

    @property
    def arithmetic(self) -> Integer:
        assert isinstance(self.network.arithmetic, Integer)
        return self.network.arithmetic

    def layers(self, signature: str) -> list[IntegerConv]:
        """The convolutions of a tier or a stage."""
        if "_stage" in signature:
            configuration, stage = signature.split("_stage")
            model = self.network.stage(configuration, int(stage))
        else:
            model = self.network.predictor(signature)
        return [layer for layer in model.layers if isinstance(layer, IntegerConv)]

    @cached_property
    def pairs(self) -> list[tuple[Placed, IntegerConv, np.ndarray]]:
        """Each convolution of the file, its layer, and 1 or -1 for each output channel."""
        pairs = []
        layers = {item.signature: self.layers(item.signature) for item in self.placed}
        for item in self.placed:
            found = [
                (layer, turned)
                for layer in layers[item.signature]
                if (turned := signs(item, laid_out(layer))) is not None
            ]
            assert len(found) == 1, (item.signature, item.kernel.shape)
            pairs.append((item, *found[0]))
        return pairs


def fcn(**arguments: Any) -> kit.FCNVGG16:
    """No two kernels are alike, and none is zero."""
    network = randomised(kit.FCNVGG16(CLASSES, IMAGE_SIZE, width=0.05, **arguments))
    rng = np.random.default_rng(2)
    for layer in (*network.head.skips, *network.head.enlarge):
        layer.kernel.assign(layer.kernel + rng.normal(0, 0.05, layer.kernel.shape))
    return network


def plain(family: str) -> kit.AdaptiveNetwork:
    """A network in float32; some of its channels are turned by a negative gain."""
    keras.utils.set_random_seed(1)
    if family == "fcn":
        network = fcn(exits=[kit.Exit(after=3)])
    elif family == "fcn of fitted spans":
        network = fcn()
    else:
        network = randomised(
            small_unet(configurations={"light": LIGHT, "bold": BOLD}, exits=[kit.Exit(after=8)])
        )
    for variable in network.variables:
        if variable.name == "gamma":
            variable.assign(variable * np.where(np.arange(variable.shape[0]) % 3, 1, -1))
    return network


def even(network: kit.AdaptiveNetwork, tier: str, images: np.ndarray) -> None:
    """Takes care that no bias decides the class of every pixel of a tier."""
    raw = np.asarray(network.logits_model(tier)(images)["logits"])
    early = kit.Tier.parse(tier).exit
    if early is not None:
        layer = network.exit_heads[early - 1].head.classify
    elif isinstance(network, kit.FCNVGG16):
        layer = network.head.score
    else:
        layer = network.tier(tier).get_layer("head_4")
    layer.bias.assign(layer.bias - raw.mean((0, 1, 2)))


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [rng.integers(0, 256, (*IMAGE_SIZE, 3)).astype("uint8") for _ in range(4)]


@pytest.fixture(scope="module", params=FAMILIES)
def made(
    request: pytest.FixtureRequest,
    images: list[np.ndarray],
    tmp_path_factory: pytest.TempPathFactory,
) -> Made:
    """A network and its bundle, converted once; the verifier has passed it."""
    family = request.param
    network, batch = plain(family), np.stack(images).astype("float32")
    for tier in TIERS[family]:
        even(network, tier, batch)
    fitted = {"policy": "integer", "strict": False, "fitted_spans": True}
    quantized = quantize(network, fitted if "spans" in family else "integer", [batch])
    path = tmp_path_factory.mktemp("whole") / "whole.tflite"
    tiers = TIERS[family]
    result = export(quantized, path, images, tiers=tiers, min_agreement=0.9, threads=1)
    return Made(quantized, tiers, result, read(Bundle.open(path).model_bytes))


def test_every_kernel_is_the_integers_of_a_layer(made: Made) -> None:
    names: dict[str, list[str]] = {}
    for item, layer, _ in made.pairs:
        names.setdefault(item.signature, []).append(layer.conv.name)
    assert set(made.tiers) <= set(names)
    for signature, found in names.items():
        assert sorted(found) == sorted(layer.conv.name for layer in made.layers(signature))


def test_without_normalisation_a_step_is_the_span_by_128(made: Made) -> None:
    normed = {id(norm.conv) for norm in made.arithmetic.norms}
    spans = set()
    for item, layer, turned in made.pairs:
        if id(layer.conv) in normed:
            continue
        span = float(layer.kernel_span)
        spans.add(span)
        # To the last place of float32, in which the quantizer writes a 127th of the largest value.
        np.testing.assert_allclose(item.scale * 128, span, rtol=2**-23)
        assert (turned == 1).all()
        if item.bias is None:
            assert not layer.conv.use_bias
            continue
        values, scale = item.bias
        np.testing.assert_allclose(values * scale, layer.conv.bias, atol=scale.max())
    assert spans
    assert (spans == {1.0}) == (not made.arithmetic.options.fitted_spans)


def test_behind_normalisation_a_step_takes_up_the_gain(made: Made) -> None:
    norms = {}
    for tier in made.tiers:
        for layer in made.network.predictor(tier).layers:
            if isinstance(layer, L1Norm):
                norms[tier, id(layer.conv)] = layer
    signatures = set()
    for item, layer, turned in made.pairs:
        norm = norms.get((item.signature, id(layer.conv)))
        if norm is None:
            continue
        ends = np.arange(2, dtype="float32")[:, None] * np.ones(norm.deviation.shape, "float32")
        low, high = np.asarray(norm(ends))
        steps = (high - low) * float(layer.kernel_span) / 128
        np.testing.assert_allclose(item.scale * turned, steps, rtol=1e-4)
        assert {-1, 1} == set(turned)
        signatures.add(item.signature)
    assert signatures == {tier for tier, _ in norms}


def test_the_step_of_a_bias_is_that_of_the_products(made: Made) -> None:
    with_bias = [item for item in made.placed if item.bias is not None]
    assert len(with_bias) > 10
    for item in with_bias:
        assert item.bias is not None
        np.testing.assert_allclose(item.bias[1], item.input_scale * item.scale, rtol=1e-6)


def test_a_layer_has_one_kernel_at_steps_of_each_configuration(made: Made) -> None:
    users: dict[str, list[Placed]] = {}
    for item, layer, _ in made.pairs:
        users.setdefault(layer.conv.name, []).append(item)
    buffers = [{item.buffer for item in items} for items in users.values()]
    assert {len(places) for places in buffers} == {1}
    assert len(set.union(*buffers)) == len(users)
    shared = [items for items in users.values() if len(items) > 1]
    assert bool(shared) == (len(made.tiers) > 1)
    has_own_steps = any(
        not np.allclose(item.scale, items[0].scale) for items in shared for item in items
    )
    configurations = {kit.Tier.parse(tier).configuration for tier in made.tiers}
    assert has_own_steps == (len(configurations) > 1)


def test_masks_are_those_of_keras(made: Made, images: list[np.ndarray]) -> None:
    segmenter = Segmenter(made.result.path, threads=1)
    for tier in made.tiers:
        found = np.stack([segmenter(image, tier=tier).mask for image in images])
        batch = np.stack(images).astype("float32")
        expected = np.asarray(made.network.predictor(tier)(batch)["mask"])
        assert (found == expected).mean() > 0.95
        assert np.bincount(expected.reshape(-1)).max() < 0.95 * expected.size


def test_kernels_are_laid_out_as_in_a_file(made: Made) -> None:
    kernels = whole_kernels(made.arithmetic)
    assert len(kernels) == len(made.arithmetic.convolutions)
    for kernel, layer in zip(kernels, made.arithmetic.convolutions, strict=True):
        assert isinstance(layer, IntegerConv)
        assert kernel.dtype == np.int8
        np.testing.assert_array_equal(kernel, laid_out(layer))


def test_what_trains_in_float_has_no_integers() -> None:
    policy = {"policy": "integer", "strict": False, "float_first_last": True}
    network = quantize(kit.FCNVGG16(CLASSES, (32, 32), width=0.05), policy)
    assert isinstance(network.arithmetic, Integer)
    floats = [made.conv.name for made in network.arithmetic.convolutions if not made.weight_bits]
    assert "block1_conv1" in floats
    total = len(network.arithmetic.convolutions)
    assert len(whole_kernels(network.arithmetic)) == total - len(floats)


# === One convolution ===

STEP, ZERO_STEP = 0.5, 1e-8


def trained(kind: str = "plain", channels: int = 4) -> np.ndarray:
    """Integers whose largest magnitude in channel k is 40 + 10 k."""
    axis = 3 if kind == "depthwise" else 0
    shape = (1, 3, 3, channels) if kind == "depthwise" else (channels, 3, 3, 6)
    values = np.random.default_rng(3).integers(-39, 40, shape)
    by_channel = np.moveaxis(values, axis, 0)
    by_channel[:, -1, -1, -1] = 40 + 10 * np.arange(channels)
    return values.astype(np.int8)


def most(kernel: np.ndarray, axis: int) -> np.ndarray:
    others = tuple(index for index in range(4) if index != axis)
    return np.abs(kernel.astype(int)).max(others)


def stretched(kernel: np.ndarray, axis: int, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the quantizer makes of the integers times a gain for each channel, and its steps.

    The step of a channel of zeros is tiny, just large enough for its bias.
    """
    shape = [1] * 4
    shape[axis] = -1
    floats = kernel * (STEP * gains).reshape(shape)
    largest = most(kernel, axis) * STEP * np.abs(gains)
    steps = np.where(largest > 0, largest / 127, ZERO_STEP)
    return np.round(floats / steps.reshape(shape)).astype(np.int8), steps


def one(kernel: np.ndarray, steps: np.ndarray, **arguments: Any) -> bytes:
    model = Convolutions()
    model.add(kernel, steps, **arguments)
    return model.packed()


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("has_bias", [True, False])
def test_the_integers_are_put_back_and_scale_and_bias_follow(kind: str, has_bias: bool) -> None:
    axis = 3 if kind == "depthwise" else 0
    gains, kernel = np.asarray([1.0, -0.3, 2.0, -5.0]), trained(kind)
    values, steps = stretched(kernel, axis, gains)
    bias = np.asarray([3.0, -2.0, 0.0, 100.0]) if has_bias else None
    (item,) = read(
        with_whole_kernels(one(values, steps, kind=kind, bias=bias), [trained(kind, 5), kernel])
    )
    shape = [1] * 4
    shape[axis] = -1
    np.testing.assert_array_equal(item.kernel, kernel * np.sign(gains).reshape(shape))
    np.testing.assert_allclose(item.scale, STEP * np.abs(gains), rtol=1e-6)
    assert (item.bias is not None) == has_bias
    if item.bias is not None:
        np.testing.assert_allclose(item.bias[1], INPUT_STEP * item.scale, rtol=1e-6)
        np.testing.assert_allclose(item.bias[0] * item.bias[1], bias, atol=item.bias[1].max())


@pytest.mark.parametrize("other", ["none", "of another shape", "one step off", "other values"])
def test_a_model_stays_as_it_is_where_no_kernel_matches(other: str) -> None:
    kernel = trained()
    values, steps = stretched(kernel, 0, np.ones(4))
    off = kernel.copy()
    off[0, 0, 0, 0] += 1
    kernels = {
        "none": [],
        "of another shape": [trained(channels=5), trained("depthwise")],
        "one step off": [off],
        "other values": [kernel[::-1], kernel[:, ::-1]],
    }[other]
    model = one(values, steps, bias=np.ones(4))
    (before,), (after,) = read(model), read(with_whole_kernels(model, kernels))
    np.testing.assert_array_equal(after.kernel, before.kernel)
    np.testing.assert_array_equal(after.scale, before.scale)
    assert before.bias is not None
    assert after.bias is not None
    for found, expected in zip(after.bias, before.bias, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_kernels_that_are_whole_already_stay_as_they_are() -> None:
    values, steps = stretched(trained(), 0, np.ones(4))
    once = with_whole_kernels(one(values, steps, bias=np.ones(4)), [trained()])
    (before,), (after,) = read(once), read(with_whole_kernels(once, [trained()]))
    np.testing.assert_array_equal(after.kernel, before.kernel)
    np.testing.assert_array_equal(after.scale, before.scale)


def test_a_channel_without_gain_leaves_the_others_whole() -> None:
    """A gain that was rounded to zero, as training in 8 bits does."""
    kernel, gains = trained(), np.asarray([1.0, 0.0, -2.0, 0.5])
    values, steps = stretched(kernel, 0, gains)
    bias = np.asarray([1.0, 3.0, -2.0, 0.5])
    (item,) = read(with_whole_kernels(one(values, steps, bias=bias), [kernel]))
    signs = np.sign(gains).reshape(-1, 1, 1, 1)
    np.testing.assert_array_equal(item.kernel, kernel * signs)
    np.testing.assert_allclose(item.scale[[0, 2, 3]], STEP * np.abs(gains[[0, 2, 3]]), rtol=1e-6)
    assert item.bias is not None
    np.testing.assert_allclose(item.bias[0] * item.bias[1], bias, atol=item.bias[1].max())


def test_a_channel_of_zeros_is_found() -> None:
    kernel = trained()
    kernel[2] = 0
    values, steps = stretched(kernel, 0, np.ones(4))
    bias = np.asarray([1.0, 3.0, 0.7, 0.5])
    (item,) = read(with_whole_kernels(one(values, steps, bias=bias), [kernel]))
    np.testing.assert_array_equal(item.kernel, kernel)
    assert item.bias is not None
    np.testing.assert_allclose(item.bias[1], INPUT_STEP * item.scale, rtol=1e-6)
    np.testing.assert_allclose(item.bias[0][2] * item.bias[1][2], bias[2], rtol=1e-6)
