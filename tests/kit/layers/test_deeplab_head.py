"""DeepLabV3's head against its definition: one concatenation of all five parts."""

import keras
import numpy as np
import pytest
from keras import layers

from kit.layers import ConvNorm, DeepLabHead
from kit.layers.path_batch_normalization import PathBatchNormalization
from tests.kit.conftest import randomised

CHANNELS, CLASSES = 6, 5


def made(stride: int, size: tuple[int, int] = (10, 14)) -> tuple[DeepLabHead, keras.Model]:
    keras.utils.set_random_seed(1)
    head = DeepLabHead(CHANNELS, CLASSES, stride, name="d")
    features = keras.Input((*size, 7))
    return head, randomised(keras.Model(features, head.connect(features, "")))


def defined(rates: tuple[int, int, int], size: tuple[int, int] = (10, 14)) -> keras.Model:
    """The head as in the paper, but for its pooled part, which has no normalisation."""

    def unit(x: keras.KerasTensor, size: int, rate: int, name: str) -> keras.KerasTensor:
        x = layers.Conv2D(
            CHANNELS, size, dilation_rate=rate, padding="same", use_bias=False, name=name
        )(x)
        return layers.ReLU()(layers.BatchNormalization(name=f"{name}_BN")(x))

    x = features = keras.Input((*size, 7))
    pooled = layers.GlobalAveragePooling2D(keepdims=True)(x)
    pooled = layers.Conv2D(CHANNELS, 1, activation="relu", name="aspp4")(pooled)
    parts = [
        unit(x, 1, 1, "aspp0"),
        *(unit(x, 3, rate, f"aspp{i}") for i, rate in enumerate(rates, start=1)),
        layers.UpSampling2D(size)(pooled),
    ]
    x = unit(unit(layers.Concatenate()(parts), 1, 1, "merge"), 3, 1, "conv")
    return keras.Model(features, layers.Conv2D(CLASSES, 1, name="classes")(x))


@pytest.mark.parametrize(
    ("stride", "rates"),
    [(4, (24, 48, 72)), (8, (12, 24, 36)), (16, (6, 12, 18)), (32, (3, 6, 9))],
)
def test_equals_the_definition_with_the_same_weights(
    stride: int, rates: tuple[int, int, int]
) -> None:
    _, model = made(stride)
    reference = defined(rates)
    own = {layer.name.removeprefix("d_"): layer for layer in model.layers if layer.weights}
    for layer in reference.layers:
        if layer.weights and layer.name != "merge":
            layer.set_weights(own[layer.name].get_weights())
    # Here the pooled part is normalised too: its kernel makes up for the scale.
    norm = reference.get_layer("merge_BN")
    gamma, _, _, variance = norm.get_weights()
    (four,), (pooled,) = (own[name].get_weights() for name in ("merge", "merge_pooled"))
    pooled = pooled * np.sqrt(variance + norm.epsilon) / gamma
    reference.get_layer("merge").set_weights([np.concatenate([four, pooled], axis=2)])

    x = np.random.default_rng(2).normal(size=(3, 10, 14, 7)).astype("float32")
    expected = reference.predict(x, verbose=0)
    assert expected.shape == (3, 10, 14, CLASSES)
    assert expected.std() > 0.1
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-5)


def test_every_part_of_the_pyramid_matters() -> None:
    head, model = made(32)
    x = np.random.default_rng(3).normal(size=(1, 10, 14, 7)).astype("float32")
    before = model.predict(x, verbose=0)
    for conv in (*(unit.conv for unit in head.pyramid), head.pooled):
        kernel = keras.ops.convert_to_numpy(conv.kernel)
        conv.kernel.assign(np.zeros_like(kernel))
        assert np.abs(model.predict(x, verbose=0) - before).max() > 1e-3, conv.name
        conv.kernel.assign(kernel)


def test_no_part_is_merged_from_more_inputs_than_xnnpack_concatenates() -> None:
    _, model = made(8)
    joined = [layer for layer in model.layers if isinstance(layer, layers.Concatenate)]
    assert [len(layer.input) for layer in joined] == [4]


def test_paths_share_all_but_statistics() -> None:
    head = DeepLabHead(CHANNELS, CLASSES, 16, name="d")
    features = keras.Input((4, 4, 7))
    one = keras.Model(features, head.connect(features, "hh"))
    two = keras.Model(features, [one.output, head.connect(features, "hl")])
    assert [v.path for v in two.trainable_variables] == [v.path for v in one.trainable_variables]
    assert len(two.non_trainable_variables) == 2 * len(one.non_trainable_variables) == 24
    assert len([n for n in two.layers if isinstance(n, PathBatchNormalization)]) == 12


def test_logits_are_float32_in_mixed_precision() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        _, model = made(16)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("d_conv").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"


@pytest.mark.parametrize("filters", [3, None], ids=["full", "depthwise"])
@pytest.mark.parametrize(("size", "rate"), [((9, 7), 2), ((6, 10), 4), ((5, 6), 12)])
def test_a_dilated_kernel_is_trained_by_its_gradient(
    filters: int | None, size: tuple[int, int], rate: int
) -> None:
    """TensorFlow has no gradient of dilated convolutions for CPUs, and must take a way around."""
    keras.utils.set_random_seed(4)
    conv = ConvNorm(filters, 3, dilation=rate, conv_name="c", norm_name="n").conv
    image = keras.Input((*size, 3))
    model = keras.Model(image, conv(image))
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mean_squared_error")
    rng = np.random.default_rng(5)
    x, target = (rng.normal(size=(2, *size, 3)).astype("float32") for _ in range(2))
    kernel = keras.ops.convert_to_numpy(conv.kernel).copy()
    error = (model.predict(x, verbose=0) - target).astype("float64")
    model.train_on_batch(x, target)

    height, width = size
    gradient = np.zeros(kernel.shape)
    for a, b in np.ndindex(3, 3):
        for i, j in np.ndindex(height, width):
            row, column = i + rate * (a - 1), j + rate * (b - 1)
            if 0 <= row < height and 0 <= column < width:
                seen, wrong = x[:, row, column], error[:, i, j]
                if filters is None:
                    gradient[a, b, :, 0] += (seen * wrong).sum(0)
                else:
                    gradient[a, b] += seen.T @ wrong
    gradient *= 2 / error.size
    moved = kernel - keras.ops.convert_to_numpy(conv.kernel)
    np.testing.assert_allclose(moved, gradient, rtol=1e-3, atol=1e-5)
    assert np.abs(gradient[1, 1]).max() > 0.01
    assert (np.abs(gradient[0, 0]).max() > 0.01) == (rate < min(size))
