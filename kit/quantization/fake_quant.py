"""Quantization-aware training: float32 that holds what int8 would."""

from __future__ import annotations

from typing import Any, ClassVar

from kit.quantization.fake_quant_activation import FakeQuantActivation
from kit.quantization.fake_quant_conv import FakeQuantConv
from kit.quantization.groups import Call
from kit.quantization.rounding import Rounding


class FakeQuant(Rounding):
    """Every kernel and activation rounded as LiteRT will round it (Jacob et al., 1712.05877).

    Kernels per output channel, activations per tensor. Gradients pass the rounding unchanged.

    Args:
        name: Of the layer.
    """

    policy: ClassVar[str] = "qat"

    def to_policy(self) -> dict[str, Any]:
        """What `make_arithmetic` makes another one of."""
        return {"policy": self.policy}

    def _new_convolution(self, step: Call, name: str) -> FakeQuantConv:
        return FakeQuantConv(step.layer, name=name)

    def _new_activation(self, step: Call, name: str) -> FakeQuantActivation:
        return FakeQuantActivation(name=name)
