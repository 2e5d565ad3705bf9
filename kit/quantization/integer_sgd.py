"""Gradient descent in integers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kit.errors import InputError
from kit.quantization.integer_options import IntegerOptions
from kit.quantization.uniform import magnitude, step, stochastic, uniform


@dataclass(frozen=True)
class UpdateRule:
    """How one variable is updated.

    Args:
        span: Half of the range that it is kept in; `None` keeps it in none.
        is_rounded: Whether gradient and update are rounded.
    """

    span: float | None
    is_rounded: bool = True


@keras.saving.register_keras_serializable(package="tierseg")
class IntegerSGD(keras.optimizers.Optimizer):
    """Plain gradient descent whose gradients and updates are integers (arXiv 2011.14504).

    A gradient in units of its largest magnitude is rounded at random to 8 bits (RQ), multiplied by
    that unit again or, in networks without normalisation, not; times the learning rate it is
    rounded to 24 bits, and the weight stays in its range. Rates are powers of two, so that
    multiplying is shifting. How many bits, and which of both, the network's arithmetic says.

    Args:
        learning_rate: A power of two, or a schedule of such.
        seed: Of the rounding at random.
        name: Of the optimizer.

    Raises:
        InputError: if `learning_rate` is no power of two.

    Example:
        >>> network = kit.quantize(network, "integer")
        >>> network.compile(IntegerSGD(2**-4), loss=loss)
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 2.0**-4,
        seed: int = 0,
        name: str = "integer_sgd",
        **kwargs: Any,
    ) -> None:
        if isinstance(learning_rate, int | float):
            check_power_of_two("learning_rate", learning_rate)
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.seed = seed
        self._options = IntegerOptions()
        self._rules: Mapping[str, UpdateRule] = {}
        self._keeps_magnitude = True

    def follow(
        self, options: IntegerOptions, rules: Mapping[str, UpdateRule], *, keeps_magnitude: bool
    ) -> None:
        """Learn from an arithmetic what to do; `network.compile` calls it.

        Args:
            options: Bit-widths.
            rules: By the variables' paths.
            keeps_magnitude: Whether a rounded gradient is multiplied by its unit.
        """
        self._options, self._rules, self._keeps_magnitude = options, rules, keeps_magnitude

    def build(self, variables: list[keras.Variable]) -> None:
        """Create the state of the rounding at random."""
        if self.built:
            return
        super().build(variables)
        self._chances = keras.random.SeedGenerator(self.seed)
        # As a variable of the optimizer, which JAX's training step hands around.
        self._track_variable(self._chances.state)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> Any:
        """Round gradients, and move the variables by them."""
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        else:
            self.build(list(trainable_variables))
        pairs = [
            pair for pair in zip(grads, trainable_variables, strict=True) if pair[0] is not None
        ]
        if not pairs:
            return super().apply([], [])
        # One draw for all: XLA takes a tenth of a second to compile each.
        sizes = [math.prod(variable.shape) for _, variable in pairs]
        chances = keras.random.uniform((sum(sizes),), seed=self._chances)
        ends = list(itertools.accumulate(sizes))
        shares = [chances[end - size : end] for size, end in zip(sizes, ends, strict=True)]
        rounded = [
            self._rounded(gradient, self._rule(variable), share)
            for (gradient, variable), share in zip(pairs, shares, strict=True)
        ]
        return super().apply(rounded, [variable for _, variable in pairs])

    def _rounded(self, gradient: Any, rule: UpdateRule, chances: Any) -> Any:
        gradient = ops.cast(gradient, "float32")
        if not rule.is_rounded:
            return gradient
        options = self._options
        unit = magnitude(gradient, power_of_two=options.power_of_two)
        chances = ops.reshape(chances, gradient.shape)
        rounded = stochastic(gradient / unit, options.gradient_bits, chances)
        return rounded * unit if self._keeps_magnitude else rounded

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable by its rounded gradient."""
        rule, bits = self._rule(variable), self._options.update_bits
        update = gradient * ops.cast(learning_rate, "float32")
        if rule.is_rounded:
            update = uniform(update, bits)
        value = ops.convert_to_tensor(variable) - update
        if rule.span is not None:
            most = rule.span * (1 - step(bits))
            value = ops.clip(value, -most, most)
        self.assign(variable, value)

    def _rule(self, variable: Any) -> UpdateRule:
        # TensorFlow hands over its own variable instead of Keras's, which has the path.
        path = self._trainable_variables[self._get_variable_index(variable)].path
        if path not in self._rules:
            raise InputError(
                "`optimizer` must train a network of the policy `integer`, which says how each "
                f"weight is rounded; it says nothing of {path!r}"
            )
        return self._rules[path]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {**super().get_config(), "seed": self.seed}


def check_power_of_two(name: str, value: float) -> None:
    """Refuse a number that no shift multiplies by.

    Raises:
        InputError: naming the argument.
    """
    if value <= 0 or np.frexp(value)[0] != 0.5:
        raise InputError(f"`{name}` must be a power of two, as 0.0625 is; received: {value}")
