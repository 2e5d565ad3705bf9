"""Updates that reach only the variables that a step has used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras

UpdateRule = Callable[[list[Any], Callable[[list[Any]], Any]], Any]
"""What is done with pairs of gradient and variable, given what an optimizer does with them."""


@contextmanager
def updating_only(
    optimizer: keras.optimizers.Optimizer,
    active: Iterable[keras.Variable],
    rule: UpdateRule | None = None,
) -> Iterator[None]:
    """Within the context `optimizer` leaves every variable that is not in `active` alone.

    A branch that a step did not run has a gradient of zero on JAX, and Adam's momentum or weight
    decay would move it all the same. Wraps `apply` of the innermost optimizer while a step is being
    traced; what was traced stays so.

    Args:
        optimizer: Built over all variables of the network.
        active: The variables that may move.
        rule: Does the update, by means of the optimizer's; the optimizer alone by default.
    """
    while isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    ids = {id(variable) for variable in active}
    original = optimizer.apply

    def apply(grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> Any:
        if trainable_variables is None:
            trainable_variables = optimizer._trainable_variables
        pairs = [
            (gradient, variable)
            for gradient, variable in zip(grads, trainable_variables, strict=True)
            if id(variable) in ids and gradient is not None
        ]
        return update(pairs) if rule is None else rule(pairs, update)

    def update(pairs: list[Any]) -> Any:
        return original([pair[0] for pair in pairs], [pair[1] for pair in pairs])

    optimizer.apply = apply
    try:
        yield
    finally:
        del optimizer.apply
