"""The tail: its published counts, its sharing, and where it begins."""

import keras
import numpy as np
import pytest

from kit.layers import HighResTail, TailConfig


def tail(
    classes: int, scale: int, *, depthwise: bool = False, side: int = 16
) -> tuple[HighResTail, keras.Model]:
    made = HighResTail(TailConfig(scale, depthwise), classes, name="tail")
    logits = keras.Input((side, side, classes))
    return made, keras.Model(logits, made.connect(logits))


def filled(model: keras.Model) -> keras.Model:
    rng = np.random.default_rng(1)
    for variable in model.variables:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    return model


@pytest.mark.parametrize(
    ("classes", "scale", "count"),
    [
        (1, 16, 112),
        (1, 8, 87),
        (1, 4, 30),
        (1, 2, 15),
        (2, 16, 420),
        (4, 16, 1624),
        (11, 16, 12012),
        (19, 16, 35644),
    ],
)
def test_it_has_the_published_parameters(classes: int, scale: int, count: int) -> None:
    made, model = tail(classes, scale)
    assert made.parameters == model.count_params() == count


@pytest.mark.parametrize(("scale", "each"), [(2, 10), (4, 20), (8, 49), (16, 59)])
@pytest.mark.parametrize("classes", [1, 2, 19])
def test_depthwise_they_grow_with_the_classes(classes: int, scale: int, each: int) -> None:
    made, model = tail(classes, scale, depthwise=True)
    assert made.parameters == model.count_params() == each * classes


@pytest.mark.parametrize("depthwise", [False, True])
def test_each_level_doubles(depthwise: bool) -> None:
    _, model = tail(3, 16, depthwise=depthwise)
    assert [output.shape for output in model.outputs] == [
        (None, side, side, 3) for side in (16, 32, 64, 128, 256)
    ]


@pytest.mark.parametrize("depthwise", [False, True])
def test_it_begins_as_bilinear_interpolation(depthwise: bool) -> None:
    _, model = tail(2, 16, depthwise=depthwise)
    # A slope, which interpolation leaves straight, and so do the skips.
    rows = np.arange(16, dtype="float32")
    logits = np.stack(np.meshgrid(rows, -2 * rows, indexing="ij"), axis=-1)[None]
    for level, output in enumerate(model(logits)):
        scale = 2**level
        fine = (np.arange(16 * scale) + 0.5) / scale - 0.5
        expected = np.stack(np.meshgrid(fine, -2 * fine, indexing="ij"), axis=-1)
        inner = slice(4 * scale, -4 * scale)
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(output)[0, inner, inner],
            expected[inner, inner],
            atol=1e-4,
        )


def enlarged(x: np.ndarray, layer: keras.layers.Layer) -> np.ndarray:
    """A transposed convolution: each pixel becomes a square."""
    kernel, bias = layer.get_weights()  # (2, 2, out, in)
    squares = np.einsum("hwi,abOi->hawbO", x, kernel)
    height, width, channels = *x.shape[:2], kernel.shape[2]
    return squares.reshape(2 * height, 2 * width, channels) + bias


def refined(x: np.ndarray, layer: keras.layers.Layer) -> np.ndarray:
    """A 3x3 convolution, zeros around."""
    kernel, bias = layer.get_weights()
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    height, width = x.shape[:2]
    taps = (
        padded[a : a + height, b : b + width] @ kernel[a, b] for a in range(3) for b in range(3)
    )
    return sum(taps) + bias


def test_blocks_are_wired_and_shared_as_published() -> None:
    _, model = tail(2, 16, side=3)
    filled(model)
    get = model.get_layer
    x = np.random.default_rng(2).normal(size=(3, 3, 2)).astype("float32")

    def block(y: np.ndarray, conv: str, *ups: str) -> np.ndarray:
        for up in ups:
            y = refined(enlarged(y, get(f"tail_{up}_up")), get(f"tail_{conv}_conv"))
        return y

    o1 = block(x, "level1", "level1")
    o2 = block(o1, "level2", "level2")
    s4 = block(x, "skip3", "skip3_1", "skip3_2")
    o3 = block(np.concatenate([s4, o2], axis=-1), "merge", "merge")
    s8 = block(x, "skip4", "skip4_1", "skip4_2", "skip4_3")
    o4 = block(np.concatenate([s8, o3], axis=-1), "merge", "merge")
    for output, expected in zip(model(x[None]), (x, o1, o2, o3, o4), strict=True):
        found = keras.ops.convert_to_numpy(output)[0]
        np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_depthwise_no_class_sees_another() -> None:
    _, model = tail(3, 16, depthwise=True, side=2)
    filled(model)
    x = np.random.default_rng(3).normal(size=(1, 2, 2, 3)).astype("float32")
    before, after = model(x)[-1], model(x + np.float32([0, 1, 0]))[-1]
    moved = np.abs(keras.ops.convert_to_numpy(after - before)).max((0, 1, 2))
    assert moved[1] > 1e-3
    np.testing.assert_array_equal(moved[[0, 2]], 0)
