"""Data sets, and what is done to their images before a network sees them."""

from kit.data.augmentation import Augmentation
from kit.data.batches import Batches
from kit.data.camvid import CamVid
from kit.data.catalog import open_dataset
from kit.data.complexity import complexities, complexity
from kit.data.complexity_projection import ComplexityProjection
from kit.data.dataset import SPLITS, Dataset
from kit.data.folder import FolderDataset
from kit.data.labels import STREET_CLASSES, VOID, LabelClass
from kit.data.lgg_mri import LGGMRI
from kit.data.slimmed_batches import SlimmedBatches
from kit.data.slimming import Slimming
from kit.data.street_scenes import StreetScenes

__all__ = [
    "LGGMRI",
    "SPLITS",
    "STREET_CLASSES",
    "VOID",
    "Augmentation",
    "Batches",
    "CamVid",
    "ComplexityProjection",
    "Dataset",
    "FolderDataset",
    "LabelClass",
    "SlimmedBatches",
    "Slimming",
    "StreetScenes",
    "complexities",
    "complexity",
    "open_dataset",
]
