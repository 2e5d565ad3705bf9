"""What network slimming does in a step."""

from typing import Any

import keras
import numpy as np

from kit.slimming import ChannelMap
from kit.slimming.shrinking import Shrinking
from kit.training.active_variables import updating_only
from tests.kit.slimming.tiny import TinyNetwork


def numpy(value: Any) -> np.ndarray:
    return np.array(keras.ops.convert_to_numpy(value))


def test_a_step_pulls_scales_and_moves_nothing_that_is_zero_or_did_not_run() -> None:
    network = TinyNetwork(configurations={"heavy": "hh"})
    groups = ChannelMap(network).groups("multi_scale")
    weights = network.trainable_variables
    before = [numpy(variable) for variable in weights]
    gammas = {id(gamma) for group in groups for gamma in group.gammas}
    idle = groups[0].gammas[0]
    for group in groups[:2]:
        group.keep(np.arange(group.size) % 2)
    optimizer = keras.optimizers.SGD(1.0, momentum=0.9, weight_decay=0.1)
    optimizer.build(weights)
    moved = [variable for variable in weights if variable is not idle]
    for _ in range(2):
        with updating_only(optimizer, moved, Shrinking(groups, l1=0.25)):
            optimizer.apply([keras.ops.ones(v.shape) for v in weights], weights)
    zero = np.arange(groups[0].size) % 2 == 0
    np.testing.assert_array_equal(numpy(idle), np.where(zero, 0, 1))
    masked = {id(variable) for group in groups[:2] for variable, _ in group.given}
    for variable, start in zip(weights, before, strict=True):
        if variable is idle:
            continue
        value, momentum = start, 0.0
        for _ in range(2):
            pull = 0.25 * np.sign(value) if id(variable) in gammas else 0.0
            momentum = 0.9 * momentum - (1 + pull)
            value = 0.9 * value + momentum
        if id(variable) in masked:
            value = np.where(zero, 0, value)
        np.testing.assert_allclose(numpy(variable), value, rtol=1e-5, err_msg=variable.path)
