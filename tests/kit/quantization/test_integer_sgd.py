"""Updates in integers, against the equations."""

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.quantization import IntegerOptions, IntegerSGD
from kit.quantization.integer_sgd import UpdateRule


def moved(
    gradient: np.ndarray,
    rule: UpdateRule,
    *,
    keeps: bool,
    rate: float = 2.0**-4,
    value: float = 0.25,
    seed: int = 0,
    **options: object,
) -> np.ndarray:
    """What a step adds to a variable."""
    variable = keras.Variable(np.full(gradient.shape, value, "float32"), name="kernel")
    optimizer = IntegerSGD(rate, seed=seed)
    optimizer.build([variable])
    optimizer.follow(IntegerOptions(**options), {variable.path: rule}, keeps_magnitude=keeps)  # type: ignore[arg-type]
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
    return np.asarray(variable) - np.float32(value)


GRADIENT = np.random.default_rng(0).normal(0, 0.01, 4000).astype("float32")
KERNEL = UpdateRule(span=1.0)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_gradient_has_its_bits_and_keeps_or_loses_its_magnitude(keeps: bool) -> None:
    update = moved(GRADIENT, KERNEL, keeps=keeps)
    unit = np.abs(GRADIENT).max()
    expected = -GRADIENT / unit * 2.0**-4 * (unit if keeps else 1)
    step = 2.0**-7 * 2.0**-4 * (unit if keeps else 1)
    assert np.abs(update - expected).max() <= step * 1.01 + 2.0**-23
    assert len(np.unique(np.round(update / step))) <= 255
    # Rounding at random keeps the mean: 5 standard errors of a chance between two steps.
    assert abs((update - expected).mean()) < 5 * step / 2 / len(GRADIENT) ** 0.5


def test_updates_are_whole_steps_of_24_bits() -> None:
    update = moved(GRADIENT, KERNEL, keeps=True, rate=2.0**-9)
    steps = update * 2.0**23
    np.testing.assert_array_equal(steps, np.round(steps))
    assert np.abs(steps).max() > 10


def test_updates_of_few_bits_are_lost() -> None:
    assert not moved(GRADIENT, KERNEL, keeps=True, update_bits=8).any()


def test_weights_stay_in_their_range() -> None:
    gradient = np.float32([-1.0, 1.0])
    found = moved(gradient, KERNEL, keeps=True, rate=1.0, value=0.9)
    np.testing.assert_allclose(0.9 + found, [1 - 2.0**-23, 0.9 - 127 / 128], rtol=1e-6)
    free = moved(gradient, UpdateRule(span=None), keeps=True, rate=1.0, value=0.9)
    assert 0.9 + free[0] > 1.8


def test_a_weight_that_trains_in_float_is_not_rounded() -> None:
    update = moved(GRADIENT, UpdateRule(None, is_rounded=False), keeps=False)
    np.testing.assert_allclose(update, -GRADIENT * 2.0**-4, rtol=1e-4, atol=1e-7)


def test_the_scale_may_be_a_power_of_two() -> None:
    gradient = np.float32([0.3, -0.3, 0.0])
    options = {"strict": False, "power_of_two": True}
    update = moved(gradient, KERNEL, keeps=False, rate=1.0, value=0.0, **options)
    # 0.3 lies nearest to 1/4: 1.2 of it is clipped at 127/128.
    np.testing.assert_allclose(update, [-127 / 128, 127 / 128, 0], atol=1e-6)


def test_rounding_follows_the_seed_and_moves_on() -> None:
    first, same, other = (moved(GRADIENT, KERNEL, keeps=True, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    variable = keras.Variable(np.zeros(len(GRADIENT), "float32"), name="kernel")
    optimizer = IntegerSGD(2.0**-4)
    optimizer.build([variable])
    optimizer.follow(IntegerOptions(), {variable.path: KERNEL}, keeps_magnitude=True)
    steps = []
    for _ in range(2):
        before = np.asarray(variable).copy()
        optimizer.apply([keras.ops.convert_to_tensor(GRADIENT)], [variable])
        steps.append(np.asarray(variable) - before)
    assert not np.allclose(*steps, atol=1e-8)


def test_a_rate_that_is_no_shift_is_refused() -> None:
    with pytest.raises(InputError, match=r"`learning_rate` must be a power of two, .*: 0.1"):
        IntegerSGD(0.1)


def test_a_weight_of_another_network_is_named() -> None:
    variable = keras.Variable(np.zeros(3, "float32"), name="stranger")
    optimizer = IntegerSGD()
    optimizer.build([variable])
    with pytest.raises(InputError, match="says nothing of 'stranger'"):
        optimizer.apply([keras.ops.ones(3)], [variable])
