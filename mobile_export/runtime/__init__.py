"""Runs a bundle on NumPy and LiteRT alone: no TensorFlow, no Keras."""

from mobile_export.runtime.bundle import Bundle as Bundle
from mobile_export.runtime.errors import TiersegError as TiersegError
from mobile_export.runtime.frame_budget import FrameBudget as FrameBudget
from mobile_export.runtime.governor import Governor as Governor
from mobile_export.runtime.image_io import load_image as load_image
from mobile_export.runtime.image_io import mask_image as mask_image
from mobile_export.runtime.image_io import overlay as overlay
from mobile_export.runtime.image_io import resized as resized
from mobile_export.runtime.labels import Label as Label
from mobile_export.runtime.labels import label_of as label_of
from mobile_export.runtime.labels import palette as palette
from mobile_export.runtime.result import Result as Result
from mobile_export.runtime.result import Step as Step
from mobile_export.runtime.segmenter import Segmenter as Segmenter
from mobile_export.runtime.tier_info import TierInfo as TierInfo
