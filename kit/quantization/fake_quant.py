"""Quantization-aware training: float32 that holds what few bits would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from kit.errors import InputError
from kit.quantization.arithmetic import Arithmetic
from kit.quantization.bit_widths import MOST_BITS, BitWidths
from kit.quantization.fake_quant_activation import FakeQuantActivation
from kit.quantization.fake_quant_conv import FakeQuantConv
from kit.quantization.groups import Call
from kit.quantization.low_bit_activation import LowBitActivation
from kit.quantization.low_bit_conv import LowBitConv
from kit.quantization.rounding import Rounding


class FakeQuant(Rounding):
    """Every kernel and activation rounded as LiteRT will round it (Jacob et al., 1712.05877).

    Kernels per output channel, activations per tensor. Gradients pass the rounding unchanged.

    With fewer than 8 bits, kernels have few levels, and what a convolution reads is rounded once
    more: what a convolution on bits takes in. Sums, and what is added up, keep 8 bits.

    Args:
        name: Of the layer.
        **options: As of `BitWidths`.

    Raises:
        InputError: naming the option.
    """

    policy: ClassVar[str] = "qat"

    def __init__(self, name: str = "arithmetic", **options: Any) -> None:
        super().__init__(name)
        self.options = BitWidths.parse(options)
        # Variables of the arithmetic only where there is something to change.
        self.weight_width = self._width("weight_bits", self.options.weight_bits)
        self.activation_width = self._width("activation_bits", self.options.activation_bits)

    def _width(self, name: str, bits: int) -> keras.Variable | None:
        if bits == MOST_BITS:
            return None
        return self.add_weight(
            shape=(), initializer=keras.initializers.Constant(bits), trainable=False, name=name
        )

    def to_policy(self) -> dict[str, Any]:
        """What `make_arithmetic` makes another one of."""
        return {"policy": self.policy, **self.options.changed()}

    @property
    def widths(self) -> BitWidths:
        """The widths in use: those of the options, but while a training lowers them."""
        now = {
            name: MOST_BITS if variable is None else int(keras.ops.convert_to_numpy(variable))
            for name, variable in self._variables_by_name().items()
        }
        return BitWidths(**now, edge_bits=self.options.edge_bits)

    def set_widths(self, widths: BitWidths) -> None:
        """Compute with other widths, from the next step on; nothing is compiled anew.

        Args:
            widths: 8 where the options say 8; its `edge_bits` are not looked at.

        Raises:
            InputError: naming the width that cannot be changed.
        """
        for name, variable in self._variables_by_name().items():
            bits = getattr(widths, name)
            if variable is not None:
                variable.assign(float(bits))
            elif bits != MOST_BITS:
                raise InputError(
                    f"`{name}` must be {MOST_BITS} in a network quantized with {MOST_BITS}; "
                    f"received: {bits}"
                )

    def take_over(
        self, before: Arithmetic, layers: Mapping[str, keras.layers.Layer], *, is_new: bool
    ) -> None:
        """Begin with the widths of the options, whatever those of the network before."""
        super().take_over(before, layers, is_new=is_new)
        self.set_widths(self.options)

    def _variables_by_name(self) -> dict[str, keras.Variable | None]:
        return {"weight_bits": self.weight_width, "activation_bits": self.activation_width}

    def _new_convolution(self, step: Call, name: str) -> FakeQuantConv:
        least = self._least(step)
        if self.weight_width is None or least == MOST_BITS:
            return FakeQuantConv(step.layer, name=name)
        return LowBitConv(step.layer, self.weight_width, least=least, name=name)

    def _new_activation(self, step: Call, name: str) -> FakeQuantActivation:
        return FakeQuantActivation(name=name)

    def _reader(self, step: Call) -> FakeQuantActivation | None:
        width, least = self.activation_width, self._least(step)
        if width is None or least == MOST_BITS:
            return None
        return self._shared(
            f"read_{least}",
            step.inputs[0],
            lambda name: LowBitActivation(width, least=max(least, 2), name=name),
        )

    def _least(self, step: Call) -> int:
        """Bits that a convolution has at least."""
        return self.options.edge_bits if step.is_edge else 1
