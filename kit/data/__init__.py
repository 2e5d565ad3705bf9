"""Data sets, and what is done to their images before a network sees them."""

from kit.data.augmentation import Augmentation
from kit.data.batches import Batches
from kit.data.camvid import CamVid
from kit.data.catalog import open_dataset
from kit.data.dataset import SPLITS, Dataset
from kit.data.folder import FolderDataset
from kit.data.labels import STREET_CLASSES, VOID, LabelClass
from kit.data.lgg_mri import LGGMRI
from kit.data.street_scenes import StreetScenes

__all__ = [
    "LGGMRI",
    "SPLITS",
    "STREET_CLASSES",
    "VOID",
    "Augmentation",
    "Batches",
    "CamVid",
    "Dataset",
    "FolderDataset",
    "LabelClass",
    "StreetScenes",
    "open_dataset",
]
