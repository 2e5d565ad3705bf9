"""Families of adaptive networks."""

from kit.networks.adaptive_network import AdaptiveNetwork
from kit.networks.adaptive_unet import AdaptiveUNet
from kit.networks.csc_unet import CSCUNet
from kit.networks.deeplab_v3 import DeepLabV3
from kit.networks.dilated_network import DilatedNetwork
from kit.networks.elu_net import ELUNet
from kit.networks.exit import Exit
from kit.networks.fcn import FCN
from kit.networks.fcn_vgg16 import FCNVGG16
from kit.networks.overprovision import exit_points, overprovision

__all__ = [
    "FCN",
    "FCNVGG16",
    "AdaptiveNetwork",
    "AdaptiveUNet",
    "CSCUNet",
    "DeepLabV3",
    "DilatedNetwork",
    "ELUNet",
    "Exit",
    "exit_points",
    "overprovision",
]
