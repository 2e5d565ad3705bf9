"""Sparse coding blocks against the equations written out in NumPy."""

from pathlib import Path

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.layers import CSCBlock
from tests.kit.conftest import randomised
from tests.kit.small import trained_dictionaries

SIZE = (5, 6)


def numpy(value: object) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def matrix(dictionary: np.ndarray) -> np.ndarray:
    """A 3×3 convolution padded by zeros, of images of `SIZE`, as `(outputs, inputs)`."""
    height, width = SIZE
    _, _, read, given = dictionary.shape
    whole = np.zeros((height, width, given, height, width, read))
    for row, column in np.ndindex(height, width):
        for i, j in np.ndindex(3, 3):
            y, x = row + i - 1, column + j - 1
            if 0 <= y < height and 0 <= x < width:
                whole[row, column, :, y, x, :] = dictionary[i, j].T
    return whole.reshape(height * width * given, -1)


def coded(block: CSCBlock, x: np.ndarray, path: int, unfoldings: int) -> np.ndarray:
    """The codes of images, by matrices: the adjoint of a convolution is its transpose."""
    count, pixels = len(x), SIZE[0] * SIZE[1]
    operators, steps, biases, norms = [], [], [], []
    for unit in block.units:
        operators.append(matrix(numpy(unit.conv.dictionary)))
        steps.append(float(numpy(unit.conv.step)))
        biases.append(np.tile(numpy(unit.conv.bias), pixels))
        norm = unit.norms[path]
        mean, variance, gamma, beta = (
            numpy(v) for v in (norm.moving_mean, norm.moving_variance, norm.gamma, norm.beta)
        )
        gain = gamma / np.sqrt(variance + norm.epsilon)
        norms.append((np.tile(gain, pixels), np.tile(beta - mean * gain, pixels)))
    (w1, w2), (c1, c2), (b1, b2) = operators, steps, biases
    (gain1, offset1), (gain2, offset2) = norms

    def relu(values: np.ndarray) -> np.ndarray:
        return np.maximum(values, 0)

    codes = []
    for values in x.reshape(count, -1):
        g1 = relu((c1 * (w1 @ values) + b1) * gain1 + offset1)
        g2 = relu((c2 * (w2 @ g1) + b2) * gain2 + offset2)
        for _ in range(unfoldings):
            g1 = w2.T @ g2
            g1 = relu(g1 - c1 * (w1 @ (w1.T @ g1 - values)) + b1)
            g2 = relu(g2 - c2 * (w2 @ (w2.T @ g2 - g1)) + b2)
        codes.append(g2)
    return np.reshape(codes, (count, *SIZE, -1))


def spread(block: CSCBlock) -> None:
    """Give dictionaries and steps values with which every term of an unfolding counts."""
    trained_dictionaries([block], 1.1)
    for unit, step in zip(block.units, (0.5, 0.7), strict=True):
        unit.conv.step.assign(step)


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(2, *SIZE, 3)).astype("float32")


@pytest.mark.parametrize("unfoldings", [0, 1, 2, 3])
def test_codes_equal_numpy_on_each_path(unfoldings: int, x: np.ndarray) -> None:
    block = CSCBlock(4, unfoldings=3)
    image = keras.Input((*SIZE, 3))
    outputs = [block.connect(image, path, unfoldings) for path in ("h", "l")]
    model = randomised(keras.Model(image, outputs))
    spread(block)
    for path, output in enumerate(model.predict(x, verbose=0)):
        expected = coded(block, x, path, unfoldings)
        assert 0.2 < (expected > 0).mean() < 0.9
        np.testing.assert_allclose(output, expected, rtol=1e-3, atol=1e-4)


def test_unfoldings_share_all_weights_but_statistics() -> None:
    block = CSCBlock(4, unfoldings=2)
    image = keras.Input((*SIZE, 3))
    counts = []
    for unfoldings in (0, 1, 2):
        model = keras.Model(image, block.connect(image, "", unfoldings))
        counts.append((len(model.trainable_variables), len(model.non_trainable_variables)))
    # Dictionary, bias, step, gamma and beta of each; mean and variance.
    assert counts == [(10, 4)] * 3


def test_without_unfoldings_it_is_two_plain_convolutions(x: np.ndarray) -> None:
    block = CSCBlock(4, unfoldings=0)
    image = keras.Input((*SIZE, 3))
    model = randomised(keras.Model(image, block.connect(image, "")))
    names = [type(layer).__name__ for layer in model.layers]
    assert names == ["InputLayer", *2 * ["Conv2D", "PathBatchNormalization", "Activation"]]
    assert [variable.name for variable in model.trainable_variables] == 2 * [
        "kernel",
        "gamma",
        "beta",
    ]
    assert model.predict(x, verbose=0).std() > 0.1


def test_dictionaries_begin_small_and_steps_as_one() -> None:
    keras.utils.set_random_seed(1)
    block = CSCBlock(64, unfoldings=1)
    block.build((None, *SIZE, 16))
    for unit, read in zip(block.units, (16, 64), strict=True):
        expected = 0.1 / np.sqrt(9 * read)
        assert numpy(unit.conv.dictionary).std() == pytest.approx(expected, rel=0.05)
        assert float(numpy(unit.conv.step)) == 1
        assert not numpy(unit.conv.bias).any()


def test_training_moves_every_weight(x: np.ndarray) -> None:
    keras.utils.set_random_seed(1)
    block = CSCBlock(4, unfoldings=2)
    image = keras.Input((*SIZE, 3))
    model = keras.Model(image, block(image))
    spread(block)
    before = [numpy(variable).copy() for variable in model.trainable_variables]
    target = np.random.default_rng(6).uniform(0, 1, (2, *SIZE, 4)).astype("float32")
    model.compile(keras.optimizers.SGD(1e-2), loss="mse")
    losses = model.fit(x, target, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for old, variable in zip(before, model.trainable_variables, strict=True):
        assert np.abs(numpy(variable) - old).max() > 0, variable.path


@pytest.mark.parametrize("unfoldings", [0, 2])
def test_it_is_saved_as_a_layer_of_any_model(
    unfoldings: int, x: np.ndarray, tmp_path: Path
) -> None:
    block = CSCBlock(4, unfoldings=unfoldings, name="block")
    assert CSCBlock.from_config(block.get_config()).get_config() == block.get_config()
    image = keras.Input((*SIZE, 3))
    codes = block(image)
    assert codes.shape == (None, *SIZE, 4)
    model = randomised(keras.Model(image, codes))
    if unfoldings:
        spread(block)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"filters": 0}, "`filters` must be 1 or more; received: 0"),
        ({"filters": 4, "unfoldings": -1}, "`unfoldings` must be 0 or more; received: -1"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CSCBlock(**arguments)
