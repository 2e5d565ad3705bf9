"""Layers of adaptive networks."""

from kit.layers.adjoint_conv import AdjointConv2D
from kit.layers.bilinear_tail import BilinearTail
from kit.layers.bottleneck import Bottleneck
from kit.layers.class_mask import ClassMask
from kit.layers.confidence import Confidence
from kit.layers.conv_norm import ConvNorm
from kit.layers.csc_block import CSCBlock
from kit.layers.deeplab_head import DeepLabHead
from kit.layers.depth_to_space import DepthToSpace
from kit.layers.exit_head import ExitHead
from kit.layers.fcn_head import FCNHead
from kit.layers.head_config import HeadConfig
from kit.layers.high_res_tail import HighResTail
from kit.layers.inverted_residual import InvertedResidual
from kit.layers.logit_difference import LogitDifference
from kit.layers.logit_pair import LogitPair
from kit.layers.path_batch_normalization import PathBatchNormalization
from kit.layers.pixel_shuffle_tail import PixelShuffleTail
from kit.layers.pta_decoder_stage import PTADecoderStage
from kit.layers.pta_inverted_residual import PTAInvertedResidual
from kit.layers.resnet_stem import ResNetStem
from kit.layers.scaled_conv import ScaledConv2D
from kit.layers.stacked_upsample import StackedUpsample
from kit.layers.tail import Tail
from kit.layers.tail_config import TailConfig

__all__ = [
    "AdjointConv2D",
    "BilinearTail",
    "Bottleneck",
    "CSCBlock",
    "ClassMask",
    "Confidence",
    "ConvNorm",
    "DeepLabHead",
    "DepthToSpace",
    "ExitHead",
    "FCNHead",
    "HeadConfig",
    "HighResTail",
    "InvertedResidual",
    "LogitDifference",
    "LogitPair",
    "PTADecoderStage",
    "PTAInvertedResidual",
    "PathBatchNormalization",
    "PixelShuffleTail",
    "ResNetStem",
    "ScaledConv2D",
    "StackedUpsample",
    "Tail",
    "TailConfig",
]
