"""What a training step costs in each arithmetic, in turns."""

import time
from collections.abc import Sequence

import numpy as np

from kit.training import Recipe
from kit.training.preparation import prepared, training_batches


def step_times(recipes: Sequence[Recipe], *, rounds: int, steps: int) -> list[list[float]]:
    """Trains networks in turns, a few steps each, on the same images.

    Args:
        recipes: of networks of one configuration, all with the same data and sizes.
        rounds: turns of each network; one more comes before, in which the graphs are made.
        steps: of a turn.

    Returns:
        For each recipe the seconds of a step, one a round.
    """
    batches = training_batches(recipes[0], seed=0)
    made = [batches[index % len(batches)] for index in range(steps)]
    images, labels = (np.concatenate(arrays) for arrays in zip(*made, strict=True))
    networks = [prepared(recipe, batches, mixed_precision=False) for recipe in recipes]
    seconds: list[list[float]] = [[] for _ in networks]
    for _ in range(1 + rounds):
        for network, of_network in zip(networks, seconds, strict=True):
            start = time.perf_counter()
            network.fit(images, labels, batch_size=recipes[0].batch_size, shuffle=False, verbose=0)
            of_network.append((time.perf_counter() - start) / steps)
    return [of_network[1:] for of_network in seconds]
