"""8-bit integer training: weights, activations, errors, gradients and updates are integers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from kit.errors import InputError
from kit.layers.adjoint_conv import AdjointConv2D
from kit.layers.scaled_conv import ScaledConv2D
from kit.quantization.arithmetic import Arithmetic
from kit.quantization.groups import Call
from kit.quantization.integer_activation import IntegerActivation
from kit.quantization.integer_conv import IntegerConv
from kit.quantization.integer_options import IntegerOptions
from kit.quantization.integer_sgd import IntegerSGD, UpdateRule
from kit.quantization.l1_norm import L1Norm
from kit.quantization.rounding import Rounding


class Integer(Rounding):
    """8-bit integer training (Yang et al., arXiv 2011.14504).

    In training every quantity is rounded to its bits, by the largest magnitude of its own tensor
    where it has a scale, forwards and backwards; batch normalisation is the L1 one. Weights move by
    `IntegerSGD`. At inference scales are frozen, so that integers alone suffice.

    A network that was trained in float32 is taken over as the same function, but for rounding: a
    channel that is normalised is free in its magnitude, which is chosen so that kernel, mean and
    deviation lie in their ranges, and the gain takes up that the L1 deviation is smaller than the
    standard deviation.

    Args:
        name: Of the layer.
        **options: As of `IntegerOptions`.

    Raises:
        InputError: naming the option.
    """

    policy: ClassVar[str] = "integer"

    def __init__(self, name: str = "arithmetic", **options: Any) -> None:
        super().__init__(name)
        self.options = IntegerOptions.parse(options)
        self.convolutions: list[IntegerConv]
        self.norms: list[L1Norm] = []

    def to_policy(self) -> dict[str, Any]:
        """What `make_arithmetic` makes another one of."""
        return {"policy": self.policy, **self.options.changed()}

    @property
    def keeps_magnitude(self) -> bool:
        """Whether a rounded gradient is multiplied by its scale."""
        if self.options.magnitude == "auto":
            return bool(self.norms)
        return self.options.magnitude == "keep"

    def check_optimizer(self, optimizer: keras.optimizers.Optimizer) -> None:
        """Tell an `IntegerSGD` what the weights are.

        Raises:
            InputError: if it is another optimizer.
        """
        if not isinstance(optimizer, IntegerSGD):
            raise InputError(
                "`optimizer` must be kit.quantization.IntegerSGD for the policy `integer`; "
                f"received: {type(optimizer).__name__}"
            )
        rules: dict[str, UpdateRule] = {}
        for made in self.convolutions:
            is_rounded = made.weight_bits is not None
            for variable in made.trainable_variables:
                is_kernel = variable is made.conv.kernel
                rules[variable.path] = UpdateRule(
                    span=float(made.kernel_span) if is_kernel and is_rounded else None,
                    is_rounded=is_rounded,
                )
        for norm in self.norms:
            for variable in norm.trainable_variables:
                rules[variable.path] = UpdateRule(span=float(norm.affine_span))
        optimizer.follow(self.options, rules, keeps_magnitude=self.keeps_magnitude)

    def take_over(
        self, before: Arithmetic, layers: Mapping[str, keras.layers.Layer], *, is_new: bool
    ) -> None:
        """Begin as the function that a network was in another arithmetic."""
        super().take_over(before, layers, is_new=is_new)
        if isinstance(before, Integer):
            return
        groups: dict[int, list[L1Norm]] = {}
        owners: dict[int, L1Norm] = {}
        for norm in self.norms:
            norm.take_over()
            groups.setdefault(id(norm.conv), []).append(norm)
            owners.setdefault(id(norm.norm.gamma), norm)
        for norm in owners.values():
            norm.scale_gain()
        for group in groups.values():
            L1Norm.fit(group, is_new=is_new)
        for made in self.convolutions:
            if id(made.conv) not in groups:
                made.fit(is_span_free=self.options.fitted_spans)

    def hand_over(self, layers: Mapping[str, keras.layers.Layer]) -> None:
        """Put variances into another network's normalisations that make up the same function."""
        for norm in self.norms:
            norm.hand_over(layers[norm.norm.name])

    def _new_convolution(self, step: Call, name: str) -> IntegerConv:
        if isinstance(step.layer, AdjointConv2D | ScaledConv2D):
            # Weights are integers here, and a product with a step, or a mirror image, is no weight.
            raise InputError(
                f"layer {step.layer.name!r} must have a kernel of its own for the policy "
                f"`integer`; received: {type(step.layer).__name__}"
            )
        is_float = self._is_float(step)
        return IntegerConv(
            step.layer,
            weight_bits=None if is_float else self.options.weight_bits,
            error_bits=self.options.norm_error_bits if step.is_normed and not is_float else None,
            name=name,
        )

    def _new_activation(self, step: Call, name: str) -> IntegerActivation:
        is_float = step.kind == "convolution" and step.is_last and self._is_float(step)
        return IntegerActivation(
            None if is_float else self.options.activation_bits,
            None if is_float else self.options.error_bits,
            self.options.scaled_activations,
            name=name,
        )

    def _norm(self, step: Call) -> L1Norm:
        for made in self.norms:
            if made.norm is step.layer:
                return made
        made = L1Norm(step.layer, step.source, self.options, name=f"{step.layer.name}_l1")
        self.norms.append(made)
        return made

    def _is_float(self, step: Call) -> bool:
        """Whether a convolution is a first or a last one, and these are to stay in float32."""
        return self.options.float_first_last and step.is_edge
