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
