"""Bit-widths and rules of 8-bit integer training."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Self

from kit.errors import InputError
from kit.quantization.options import check_bits, check_known
from kit.quantization.uniform import LEAST_BITS, MOST_BITS

FORMAT_BITS = 8
"""Of the integers of an int8 `.tflite`: what weights and activations must fit in."""

_PAPER = {
    "normed_bits": 16,
    "power_of_two": False,
    "scaled_activations": True,
    "float_first_last": False,
    "fitted_spans": False,
}


@dataclass(frozen=True)
class IntegerOptions:
    """Which object has how many bits, and what becomes of a gradient's magnitude.

    The defaults are the paper's (arXiv 2011.14504, equations 7 to 19). `strict=False` allows what
    the authors' code does otherwise.

    Args:
        strict: Whether all that the paper does not vary must be as it is there: `normed_bits` and
            what stands below `magnitude`.
        weight_bits: Of the kernels in a convolution, 2–8.
        activation_bits: 2–8.
        error_bits: Of the gradient of an activation, E1.
        norm_error_bits: Of the gradient that enters a convolution from its normalisation, E2.
        gradient_bits: Of the weights' gradients.
        update_bits: Of updates and of the weights that are kept.
        statistics_bits: Of mean and deviation in normalisation.
        affine_bits: Of its gain and offset.
        normed_bits: Of what is normalised, before these; 8 in the authors' DeepLab.
        magnitude: `"keep"` multiplies a rounded gradient by its scale, `"discard"` does not;
            `"auto"` keeps it in a network with normalisation.
        power_of_two: Whether a gradient's scale is a power of two, as in the authors' FCN.
        scaled_activations: `False` rounds activations to steps of 2^(1 - bits) without a scale and
            without clipping, as in the authors' FCN.
        float_first_last: Whether the convolution that sees the image and those that give logits
            train in float32, as in the authors' DeepLab.
        fitted_spans: Whether a network that is taken over chooses the range of each layer's
            statistics, gains and offsets, a power of two, instead of [-2, 2]: neither the paper's
            nor the authors', for networks whose kernels would be left with few steps.

    Raises:
        InputError: naming the option.
    """

    strict: bool = True
    weight_bits: int = 8
    activation_bits: int = 8
    error_bits: int = 8
    norm_error_bits: int = 16
    gradient_bits: int = 8
    update_bits: int = 24
    statistics_bits: int = 16
    affine_bits: int = 8
    normed_bits: int = 16
    magnitude: Literal["auto", "keep", "discard"] = "auto"
    power_of_two: bool = False
    scaled_activations: bool = True
    float_first_last: bool = False
    fitted_spans: bool = False

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            if not item.name.endswith("_bits"):
                continue
            most = FORMAT_BITS if item.name in ("weight_bits", "activation_bits") else MOST_BITS
            check_bits(item.name, getattr(self, item.name), LEAST_BITS, most)
        if self.magnitude not in ("auto", "keep", "discard"):
            raise InputError(
                f"`magnitude` must be auto, keep or discard; received: {self.magnitude!r}"
            )
        changed = [name for name, value in _PAPER.items() if getattr(self, name) != value]
        if self.strict and changed:
            raise InputError(
                f"`{changed[0]}` must be {_PAPER[changed[0]]} unless `strict` is False; "
                f"received: {getattr(self, changed[0])}"
            )

    @classmethod
    def parse(cls, options: dict[str, Any]) -> Self:
        """Options by name.

        Raises:
            InputError: naming one that there is not.
        """
        check_known("integer", options, {item.name for item in dataclasses.fields(cls)})
        return cls(**options)

    def changed(self) -> dict[str, Any]:
        """Those that differ from the paper's, by name."""
        return {
            item.name: value
            for item in dataclasses.fields(self)
            if (value := getattr(self, item.name)) != item.default
        }
