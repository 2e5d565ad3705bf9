"""Train one segmentation network, ship every device tier of it."""

from kit import data, losses, metrics, networks, quantization, search, tiers, training
from kit.errors import InputError
from kit.networks import (
    FCN,
    FCNVGG16,
    AdaptiveNetwork,
    AdaptiveUNet,
    CSCUNet,
    DeepLabV3,
    ELUNet,
    Exit,
    overprovision,
)
from kit.quantization import quantize
from kit.tiers import Tier

__all__ = [
    "FCN",
    "FCNVGG16",
    "AdaptiveNetwork",
    "AdaptiveUNet",
    "CSCUNet",
    "DeepLabV3",
    "ELUNet",
    "Exit",
    "InputError",
    "Tier",
    "data",
    "losses",
    "metrics",
    "networks",
    "overprovision",
    "quantization",
    "quantize",
    "search",
    "tiers",
    "training",
]
