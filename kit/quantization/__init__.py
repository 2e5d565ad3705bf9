"""In which arithmetic a network computes: float32, or float32 that holds what int8 would."""

from kit.quantization.arithmetic import Arithmetic
from kit.quantization.fake_quant import FakeQuant
from kit.quantization.policies import POLICIES
from kit.quantization.quantize import calibrate, quantize

__all__ = ["POLICIES", "Arithmetic", "FakeQuant", "calibrate", "quantize"]
