"""In which arithmetic a network computes: float32, or float32 that holds what integers would."""

from kit.quantization.arithmetic import Arithmetic
from kit.quantization.bit_width_decay import BitWidthDecay
from kit.quantization.bit_widths import BitWidths
from kit.quantization.fake_quant import FakeQuant
from kit.quantization.halving import Halving
from kit.quantization.integer import Integer
from kit.quantization.integer_options import IntegerOptions
from kit.quantization.integer_sgd import IntegerSGD
from kit.quantization.policies import POLICIES
from kit.quantization.quantize import calibrate, quantize
from kit.quantization.rounding import Rounding

__all__ = [
    "POLICIES",
    "Arithmetic",
    "BitWidthDecay",
    "BitWidths",
    "FakeQuant",
    "Halving",
    "Integer",
    "IntegerOptions",
    "IntegerSGD",
    "Rounding",
    "calibrate",
    "quantize",
]
