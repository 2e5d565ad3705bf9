"""Statistics for each path, one scale and offset for all."""

import keras
import numpy as np
import pytest

from kit.layers import PathBatchNormalization


@pytest.fixture
def pair() -> tuple[PathBatchNormalization, PathBatchNormalization]:
    """An owner and a borrower that have seen different data."""
    owner = PathBatchNormalization(momentum=0.5)
    borrower = PathBatchNormalization(owner=owner, momentum=0.5)
    borrower.build((None, 4, 4, 3))
    owner.gamma.assign([0.5, 1.0, 2.0])
    owner.beta.assign([-1.0, 0.0, 1.0])
    return owner, borrower


def batch(mean: float) -> np.ndarray:
    return np.random.default_rng(2).normal(mean, 2.0, (8, 4, 4, 3)).astype("float32")


def numpy(variable: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)


def test_scale_and_offset_are_one_pair(
    pair: tuple[PathBatchNormalization, PathBatchNormalization],
) -> None:
    owner, borrower = pair
    assert borrower.gamma is owner.gamma
    assert borrower.beta is owner.beta
    assert [variable.name for variable in borrower.variables].count("gamma") <= 1
    assert {v.name for v in borrower.variables if not v.trainable} == {
        "moving_mean",
        "moving_variance",
    }


def test_a_training_pass_moves_its_own_statistics_alone(
    pair: tuple[PathBatchNormalization, PathBatchNormalization],
) -> None:
    owner, borrower = pair
    x = batch(5.0)
    before = numpy(owner.moving_mean).copy(), numpy(owner.moving_variance).copy()
    borrower(x, training=True)
    np.testing.assert_array_equal(numpy(owner.moving_mean), before[0])
    np.testing.assert_array_equal(numpy(owner.moving_variance), before[1])
    np.testing.assert_allclose(numpy(borrower.moving_mean), 0.5 * x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(
        numpy(borrower.moving_variance), 0.5 + 0.5 * x.var((0, 1, 2)), rtol=1e-4
    )


def test_inference_is_by_its_own_statistics_and_the_shared_scale(
    pair: tuple[PathBatchNormalization, PathBatchNormalization],
) -> None:
    owner, borrower = pair
    borrower(batch(5.0), training=True)
    x = batch(1.0)
    for layer in (owner, borrower):
        mean, variance = numpy(layer.moving_mean), numpy(layer.moving_variance)
        expected = (x - mean) / np.sqrt(variance + layer.epsilon)
        expected = expected * numpy(owner.gamma) + numpy(owner.beta)
        np.testing.assert_allclose(numpy(layer(x, training=False)), expected, rtol=1e-4, atol=1e-5)


def test_copied_statistics_are_those_of_the_owner(
    pair: tuple[PathBatchNormalization, PathBatchNormalization],
) -> None:
    owner, borrower = pair
    owner(batch(3.0), training=True)
    borrower.copy_statistics()
    np.testing.assert_array_equal(numpy(borrower.moving_mean), numpy(owner.moving_mean))
    np.testing.assert_array_equal(numpy(borrower.moving_variance), numpy(owner.moving_variance))
