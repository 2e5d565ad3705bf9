"""L1 batch normalisation against NumPy, and that it needs neither square nor root."""

import keras
import numpy as np
import pytest
from keras import ops

from kit.quantization.integer_options import IntegerOptions
from kit.quantization.l1_norm import EPSILON, L1Norm

CHANNELS = 6
WIDE = IntegerOptions(statistics_bits=24, affine_bits=24, normed_bits=24, strict=False)


def a_layer(options: IntegerOptions = WIDE, **norm: float) -> L1Norm:
    conv = keras.layers.Conv2D(CHANNELS, 1, use_bias=False)
    conv.build((None, 4, 4, 3))
    layer = L1Norm(
        keras.layers.BatchNormalization(momentum=0.9, **norm), conv, options, name="norm_l1"
    )
    layer.build((None, 4, 4, CHANNELS))
    random = np.random.default_rng(3)
    layer.norm.gamma.assign(random.uniform(0.5, 1.5, CHANNELS))
    layer.norm.beta.assign(random.normal(0, 0.3, CHANNELS))
    return layer


def values() -> np.ndarray:
    return np.random.default_rng(4).normal(0.2, 0.7, (8, 4, 4, CHANNELS)).astype("float32")


def uq(x: np.ndarray, bits: int, span: float) -> np.ndarray:
    delta = 2.0 ** (1 - bits)
    return span * np.clip(delta * np.floor(x / span / delta + 0.5), -1 + delta, 1 - delta)


def test_normalises_by_the_mean_absolute_deviation_of_the_batch() -> None:
    layer, x = a_layer(), values()
    mean = x.mean((0, 1, 2))
    deviation = np.abs(x - mean).mean((0, 1, 2))
    gamma, beta = (np.asarray(v) for v in (layer.norm.gamma, layer.norm.beta))
    expected = (x - mean) / (deviation + EPSILON) * gamma + beta
    found = ops.convert_to_numpy(layer(x, training=True))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.asarray(layer.norm.moving_mean), 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(layer.deviation), 0.9 + 0.1 * deviation, rtol=1e-5)


def test_every_quantity_has_its_bits() -> None:
    options = IntegerOptions(statistics_bits=6, affine_bits=4, normed_bits=5, strict=False)
    layer, x = a_layer(options), values()
    mean = uq(x.mean((0, 1, 2)), 6, 2)
    deviation = uq(np.abs(x - x.mean((0, 1, 2))).mean((0, 1, 2)), 6, 2)
    normed = (x - mean) / (deviation + EPSILON)
    unit = np.abs(normed).max()
    gamma, beta = (uq(np.asarray(v), 4, 2) for v in (layer.norm.gamma, layer.norm.beta))
    expected = unit * uq(normed / unit, 5, 1) * gamma + beta
    found = ops.convert_to_numpy(layer(x, training=True))
    # A value half-way between two steps may go either way in single precision.
    assert np.isclose(found, expected, atol=1e-4).mean() > 0.995


def test_is_one_gain_and_offset_a_channel_at_inference() -> None:
    layer, x = a_layer(), values()
    layer(x, training=True)
    found = ops.convert_to_numpy(layer(x))
    gain = np.asarray(layer.norm.gamma) / (np.asarray(layer.deviation) + EPSILON)
    expected = (x - np.asarray(layer.norm.moving_mean)) * gain + np.asarray(layer.norm.beta)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_has_no_square_and_no_root(training: bool) -> None:
    layer = a_layer(IntegerOptions())
    if keras.backend.backend() == "jax":
        import jax

        found = str(jax.make_jaxpr(lambda x: layer(x, training=training))(values()))
        names = {line.split("=")[1].split()[0] for line in found.splitlines() if " = " in line}
        assert not {name for name in names if name.startswith(("sqrt", "rsqrt", "square", "pow"))}
        assert not {"integer_pow"} & names
        return
    import tensorflow as tf

    function = tf.function(lambda x: layer(x, training=training))
    graph = function.get_concrete_function(tf.TensorSpec((8, 4, 4, CHANNELS))).graph
    kinds = {operation.type for operation in graph.get_operations()}
    assert {"Mul", "Sub", "Floor"} <= kinds
    assert not kinds & {"Sqrt", "Rsqrt", "Square", "SquaredDifference", "Pow", "FusedBatchNormV3"}


def test_takes_over_what_a_normalisation_does_and_hands_it_back() -> None:
    layer, x = a_layer(), values()
    norm = layer.norm
    random = np.random.default_rng(5)
    norm.moving_mean.assign(random.normal(0, 0.5, CHANNELS))
    norm.moving_variance.assign(random.uniform(0.2, 1.5, CHANNELS))
    before = ops.convert_to_numpy(norm(x))
    layer.take_over()
    layer.scale_gain()
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), before, rtol=1e-4, atol=1e-4)
    norm.moving_variance.assign(np.ones(CHANNELS))
    layer.hand_over(norm)
    np.testing.assert_allclose(ops.convert_to_numpy(norm(x)), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fitted", [False, True])
def test_kernel_and_statistics_are_scaled_into_their_ranges(fitted: bool) -> None:
    options = IntegerOptions(strict=False, fitted_spans=fitted)
    layer = a_layer(options)
    kernel = np.random.default_rng(6).normal(0, 0.1, (1, 1, 3, CHANNELS)) * 4.0 ** np.arange(6)
    layer.conv.kernel.assign(kernel)
    layer.norm.moving_mean.assign(np.linspace(-7, 30, CHANNELS))
    layer.deviation.assign(np.linspace(0.1, 9, CHANNELS))
    layer.norm.gamma.assign(np.linspace(0.1, 5, CHANNELS))
    x = np.random.default_rng(7).normal(size=(2, 4, 4, 3)).astype("float32")

    def normed() -> np.ndarray:
        wide = [np.asarray(v, float) for v in (layer.norm.moving_mean, layer.deviation)]
        return (ops.convert_to_numpy(layer.conv(x)) - wide[0]) / wide[1]

    before = normed()
    L1Norm.fit([layer], is_new=False)
    np.testing.assert_allclose(normed(), before, rtol=1e-3, atol=1e-3)
    largest = np.abs(np.asarray(layer.conv.kernel)).reshape(-1, CHANNELS).max(0)
    statistics = np.maximum(np.abs(np.asarray(layer.norm.moving_mean)), np.asarray(layer.deviation))
    assert largest.max() <= 0.951
    assert statistics.max() <= float(layer.statistics_span)
    if fitted:
        np.testing.assert_allclose(largest, 0.95, rtol=1e-4)
        assert float(layer.affine_span) == 8
    else:
        assert float(layer.statistics_span) == float(layer.affine_span) == 2
        np.testing.assert_allclose(np.maximum(largest / 0.95, statistics), 1, rtol=1e-4)
