"""The smallest network that few bits have something to do in."""

from typing import Any

import keras

from kit.networks.fcn_vgg16 import FCNVGG16
from kit.quantization import FakeQuant
from kit.quantization.quantize import quantize
from tests.kit.small import CLASSES


def low_bit_network(images: Any, weight_bits: int = 2, activation_bits: int = 2) -> FCNVGG16:
    """An FCN-8s of narrow layers, quantized and calibrated on `images` of 64 by 64 pixels."""
    keras.utils.set_random_seed(3)
    options = {"policy": "qat", "weight_bits": weight_bits, "activation_bits": activation_bits}
    return quantize(FCNVGG16(CLASSES, (64, 64), width=0.03), options, [images])


def arithmetic_of(network: FCNVGG16) -> FakeQuant:
    """That of a network in fake quantization."""
    assert isinstance(network.arithmetic, FakeQuant)
    return network.arithmetic
