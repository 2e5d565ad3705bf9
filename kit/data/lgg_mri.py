"""LGG MRI: slices of brains with a tumour, split by patient."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kit.data.dataset import SPLITS, check_split
from kit.data.images import read_label
from kit.data.known_folder import known_folder
from kit.data.labels import LabelClass
from kit.data.paired_files import PairedFiles, find_images
from kit.data.stable_place import stable_place
from kit.errors import InputError

CLASSES = (LabelClass("background", (0, 0, 0)), LabelClass("tumour", (220, 40, 40)))
"""What a pixel of a slice may be."""

_VAL, _TEST = 0.7, 0.85  # where the shares of these splits begin
_CONTENT = "{images,masks}/<patient>/<slice>.{jpg,png}"


class LGGMRI(PairedFiles):
    """LGG MRI ("kaggle_3m"): 3929 slices of 110 patients, 256x256, tumour or background.

    The channels of an image are three sequences (pre-contrast, FLAIR, post-contrast) and no
    colours. 1 % of all pixels and 35 % of the slices hold tumour, so that a mean over slices
    depends on how one without is scored.

    No patient is in two splits, for neighbouring slices look alike. Without `patients`, one falls
    into a split by the SHA-256 of the name, the shares 0.7, 0.15 and 0.15: 80, 16 and 14 patients.

    Args:
        split: `"train"`, `"val"` or `"test"`.
        folder: folder with `{images,masks}/<patient>/<slice>.{jpg,png}`. Defaults to `lgg_mri` in
            the folder that the environment variable `TIERSEG_DATA` names (`../shared/data`).
        patients: split to the patients in it, as `patient_of` names them; those of no split are
            left out.
        empty_share: share, 0-1, of the slices without tumour that the training split keeps, chosen
            by the SHA-256 of their names; the other splits keep all. Below 1, masks are read.

    Attributes:
        patients: names of the split's patients, in order.

    Raises:
        InputError: the folder is missing or holds no slice of the split, a slice has no mask,
            `patients` has one in two splits or one without slices, or `empty_share` is out of
            range.

    Reference:
        Buda, Saha, Mazurowski, Computers in Biology and Medicine 2019; Mazurowski et al., Journal
        of Neuro-Oncology 2017; TCGA-LGG. To be treated as CC BY-NC-SA 4.0.
    """

    license = "CC-BY-NC-SA-4.0"

    def __init__(
        self,
        split: str,
        folder: str | Path | None = None,
        patients: Mapping[str, Sequence[str]] | None = None,
        empty_share: float = 1.0,
    ) -> None:
        check_split(split)
        if not 0 <= empty_share <= 1:
            raise InputError(f"`empty_share` must be from 0 to 1; got {empty_share}")
        folder = known_folder("lgg_mri", _CONTENT) if folder is None else Path(folder)
        suffixes = find_images(folder / "images")
        known = {patient_of(stem) for stem in suffixes}
        if patients is None:
            chosen = {patient for patient in known if _split_of(patient) == split}
        else:
            _check(patients, known)
            chosen = set(patients.get(split, ()))
        stems = [stem for stem in suffixes if patient_of(stem) in chosen]
        if split == "train" and empty_share < 1:
            stems = [
                stem
                for stem in stems
                if stable_place(stem) < empty_share
                or read_label(folder / "masks" / f"{stem}.png", len(CLASSES)).any()
            ]
        super().__init__(
            name="lgg_mri",
            split=split,
            classes=CLASSES,
            void_id=255,
            images=folder / "images",
            labels=folder / "masks",
            stems=stems,
            suffixes=suffixes,
        )
        self.patients = tuple(sorted(chosen))


def patient_of(stem: str) -> str:
    """The patient of a slice: its folder's name without the date of the scan.

    Args:
        stem: as of `Dataset.stem`, e.g. `"TCGA_CS_4941_19960909/001"`.
    """
    return "_".join(stem.split("/", maxsplit=1)[0].split("_")[:3])


def _split_of(patient: str) -> str:
    place = stable_place(patient)
    return "train" if place < _VAL else "val" if place < _TEST else "test"


def _check(patients: Mapping[str, Sequence[str]], known: set[str]) -> None:
    """Raises `InputError` unless each patient is in one split and has slices."""
    for split in patients:
        check_split(split)
    owners: dict[str, str] = {}
    for split in SPLITS:
        for patient in dict.fromkeys(patients.get(split, ())):
            if patient in owners:
                raise InputError(
                    f"`patients` must have each patient in one split; got {patient} in "
                    f"{owners[patient]} and {split}"
                )
            if patient not in known:
                raise InputError(
                    f"`patients` must be among the {len(known)} that have slices; got {patient}"
                )
            owners[patient] = split
