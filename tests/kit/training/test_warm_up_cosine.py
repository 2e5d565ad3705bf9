"""The rate is that of Keras's own schedule, at every step."""

import keras
import numpy as np
import pytest

from kit.errors import InputError
from kit.training.warm_up_cosine import WarmUpCosine


@pytest.mark.parametrize(("steps", "rise"), [(50, 5), (7, 0), (10, 9)])
def test_it_is_cosine_decay_with_a_warm_up(steps: int, rise: int) -> None:
    schedule = WarmUpCosine(0.3, steps, rise)
    reference = keras.optimizers.schedules.CosineDecay(
        0.3 / 1000 if rise else 0.3,
        steps - rise,
        warmup_target=0.3 if rise else None,
        warmup_steps=rise,
    )
    at = np.arange(steps + 3)
    expected = [float(reference(int(step))) for step in at]
    np.testing.assert_allclose([float(schedule(int(s))) for s in at], expected, atol=1e-7)


def test_it_is_restored_from_its_config() -> None:
    schedule = WarmUpCosine(0.3, 50, 5)
    content = keras.saving.serialize_keras_object(schedule)
    assert keras.saving.deserialize_keras_object(content).get_config() == schedule.get_config()


@pytest.mark.parametrize("rise", [-1, 5, 6])
def test_a_rise_that_is_no_part_of_the_run_is_refused(rise: int) -> None:
    with pytest.raises(InputError, match=f"`rise` must be 0 to 4 steps; received: {rise}"):
        WarmUpCosine(0.1, 5, rise)


@pytest.mark.parametrize(("begin", "end"), [(0, 6), (6, 16), (16, 30)])
def test_each_part_rises_to_the_peak_and_falls_towards_zero(begin: int, end: int) -> None:
    schedule = WarmUpCosine(0.5, 30, 2, (6, 16))
    peak, last = begin + 2, end - 1
    middle = (peak + end) // 2
    # The fall of the parts takes 4, 8 and 12 steps, of which the last leaves one to go.
    shares = {6: 0.1464466, 16: 0.0380602, 30: 0.0170371}
    found = [float(schedule(step)) for step in (begin, begin + 1, peak, middle, last)]
    expected = [0.0005, 0.25025, 0.5, 0.25, 0.5 * shares[end]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_parts_without_a_rise_begin_with_the_peak() -> None:
    schedule = WarmUpCosine(1.0, 7, restarts=[2, 3])
    fall = [1.0, 0.8535534, 0.5, 0.1464466]
    found = [float(schedule(step)) for step in range(9)]
    np.testing.assert_allclose(found, [1.0, 0.5, 1.0, *fall, 0.0, 0.0], atol=1e-6)


def test_restarts_are_restored_from_the_config() -> None:
    content = keras.saving.serialize_keras_object(WarmUpCosine(0.3, 50, 5, [20]))
    assert keras.saving.deserialize_keras_object(content).restarts == (20,)


def test_a_rise_must_fit_the_shortest_part() -> None:
    assert WarmUpCosine(0.1, 10, 2, (4, 7)).rise == 2
    with pytest.raises(InputError, match="`rise` must be 0 to 1 steps; received: 2"):
        WarmUpCosine(0.1, 10, 2, (5, 8))
