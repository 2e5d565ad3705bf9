"""What a folder of images and label maps holds, and what keeps it from being a data set."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from kit.data.images import read_image
from kit.data.labels import VOID
from kit.data.own.label_scan import Color, LabelScan, scan_label
from kit.data.paired_files import find_images
from kit.errors import InputError

Size = tuple[int, int]


@dataclass
class Survey:
    """A folder, looked at file by file.

    Args:
        folder: The folder.
        suffixes: Image's relative name, without suffix, to its suffix, in order.
        scans: Label map of each image that has one, in order of the names.
        image_sizes: `(height, width)` as displayed, to the number of images.
        unlabelled: Images without a label map.
        without_image: Label maps without an image; they do no harm.
        faults: What keeps the folder from being a data set, one line each, in order of the names.
    """

    folder: Path
    suffixes: dict[str, str] = field(default_factory=dict)
    scans: dict[str, LabelScan] = field(default_factory=dict)
    image_sizes: Counter[Size] = field(default_factory=Counter)
    unlabelled: list[str] = field(default_factory=list)
    without_image: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def forms(self) -> dict[str, str]:
        """Form of label maps (see `LabelScan`) to the first that has it."""
        found: dict[str, str] = {}
        for stem, scan in self.scans.items():
            found.setdefault(scan.form, stem)
        return found

    @property
    def pixels(self) -> dict[int, int]:
        """Id to pixels, in the order of the ids."""
        return _sum(scan.ids for scan in self.scans.values())

    @property
    def images_with(self) -> dict[int, int]:
        """Id to the number of label maps that hold it."""
        return dict(Counter(number for scan in self.scans.values() for number in scan.ids))

    @property
    def colors(self) -> dict[Color, int]:
        """Colour to pixels, in the order of the colours, of coloured label maps."""
        return _sum(scan.colors for scan in self.scans.values() if scan.form == "colors")

    @property
    def palette(self) -> dict[int, Color]:
        """Id to its colour, where all label maps have one palette whose colours differ."""
        found: dict[int, Color] = {}
        for scan in self.scans.values():
            if set(scan.palette) != set(scan.ids) or self.two_palettes:
                return {}
            found |= scan.palette
        return found if len(set(found.values())) == len(found) else {}

    @property
    def two_palettes(self) -> tuple[int, Path, Path] | None:
        """An id, and two palette images in which its colours differ; None if there are none."""
        first: dict[int, tuple[Color, Path]] = {}
        for scan in self.scans.values():
            for number, color in scan.palette.items():
                before = first.setdefault(number, (color, scan.path))
                if before[0] != color:
                    return number, before[1], scan.path
        return None

    def to_dict(self) -> dict[str, Any]:
        """The survey as JSON has it; what it says of classes is in `ClassTable`."""
        return {
            "folder": str(self.folder),
            "images": len(self.suffixes),
            "labels": len(self.scans) + len(self.without_image),
            "pairs": len(self.scans),
            "images_without_label": self.unlabelled,
            "labels_without_image": self.without_image,
            "image_sizes": [
                {"height": height, "width": width, "images": count}
                for (height, width), count in self.image_sizes.most_common()
            ],
            "forms": sorted(self.forms),
            "colors": [
                {"color": list(color), "pixels": count} for color, count in self.colors.items()
            ],
            "faults": self.faults,
        }


def survey_folder(folder: Path) -> Survey:
    """Look at every file of a folder.

    Args:
        folder: Holds `images/**.{jpg,png}` and `labels/**.png` of the same relative names.

    Returns:
        The survey. What single files have wrong is in its `faults`.

    Raises:
        InputError: there is no such folder, or nothing in it to look at.
    """
    for path, what in ((folder, "a folder"), (folder / "images", "a folder of images")):
        if not path.is_dir():
            raise InputError(
                f"{path} must be {what}; got no such folder (expected images/ and, with the same "
                f"names, labels/ in {folder})"
            )
    if not (folder / "labels").is_dir():
        raise InputError(
            f"{folder / 'labels'} must be a folder of label maps (.png); got no such folder"
        )
    survey = Survey(folder, suffixes=find_images(folder / "images"))
    if not survey.suffixes:
        raise InputError(f"{folder / 'images'} must hold images (.jpg or .png); got none")
    labels = {
        path.relative_to(folder / "labels").with_suffix("").as_posix(): path
        for path in sorted((folder / "labels").rglob("*"), key=lambda p: (p.suffix == ".png", p))
        if path.is_file() and not path.name.startswith(".")
    }
    survey.without_image = [
        stem
        for stem, path in labels.items()
        if stem not in survey.suffixes and path.suffix == ".png"
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        looked = pool.map(
            lambda stem: _look(folder, stem, survey.suffixes[stem], labels.get(stem)),
            survey.suffixes,
        )
        bar = tqdm(looked, "look at", len(survey.suffixes), unit="image", delay=2, disable=None)
        for stem, (size, scan, fault) in zip(survey.suffixes, bar, strict=True):
            if size is not None:
                survey.image_sizes[size] += 1
            if scan is not None:
                survey.scans[stem] = scan
            elif stem not in labels:
                survey.unlabelled.append(stem)
            if fault:
                survey.faults.append(fault)
    if not labels:
        raise InputError(f"{folder / 'labels'} must hold label maps (.png); got none")
    _judge_forms(survey)
    return survey


def _look(
    folder: Path, stem: str, suffix: str, label: Path | None
) -> tuple[Size | None, LabelScan | None, str | None]:
    """Size, label map and fault of one image."""
    path = folder / "images" / f"{stem}{suffix}"
    expected = folder / "labels" / f"{stem}.png"
    try:
        size: Size = read_image(path).shape[:2]
    except InputError as error:
        return None, None, str(error)
    if label is None:
        return size, None, f"{path} must have a label map; expected {expected}, got no such file"
    if label.suffix != ".png":
        return size, None, f"{label} must be a PNG, which keeps ids as they are; got {label.suffix}"
    try:
        scan = scan_label(label)
    except InputError as error:
        return size, None, str(error)
    fault = None
    if scan.size != size:
        fault = (
            f"{label} must be as large as its image as displayed; "
            f"expected {size[1]}x{size[0]}, got {scan.size[1]}x{scan.size[0]}"
        )
    elif scan.ids and not 0 <= min(scan.ids) <= max(scan.ids) <= VOID:
        wrong = next(number for number in scan.ids if not 0 <= number <= VOID)
        fault = f"{label} must hold class ids 0 to {VOID - 1}, or {VOID} for void; got id {wrong}"
    return size, scan, fault


def _judge_forms(survey: Survey) -> None:
    """Refuses label maps of which some hold ids and some colours."""
    forms = survey.forms
    if "colors" in forms and len(forms) > 1:
        other = next(form for form in forms if form != "colors")
        survey.faults.append(
            f"{survey.scans[forms['colors']].path} must hold what the other label maps hold; "
            f"got colours, and ids in {survey.scans[forms[other]].path}"
        )


def _sum(counts: Iterable[dict[Any, int]]) -> dict[Any, int]:
    total: Counter[Any] = Counter()
    for part in counts:
        total.update(part)
    return dict(sorted(total.items()))
