"""LGG MRI: a tiny folder of its form, and the real one where it lies at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kit.data import LGGMRI, open_dataset
from kit.data.known_folder import DEFAULT, VARIABLE
from kit.data.lgg_mri import patient_of
from kit.errors import InputError

ROOT = Path(__file__).parents[3]
PATIENTS = [f"TCGA_CS_{number}" for number in range(4941, 4961)]
MASK = np.array([[0, 1, 1], [0, 0, 1]], bool)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """20 patients with two slices each."""
    for patient in PATIENTS:
        for part in ("images", "masks"):
            (tmp_path / "lgg_mri" / part / f"{patient}_19960909").mkdir(parents=True)
        for number in ("001", "002"):
            stem = f"{patient}_19960909/{number}"
            Image.new("RGB", (3, 2), (90, 40, 200)).save(tmp_path / f"lgg_mri/images/{stem}.jpg")
            Image.fromarray(MASK).save(tmp_path / f"lgg_mri/masks/{stem}.png")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path / "lgg_mri"


def test_splits_part_the_patients(data: Path) -> None:
    splits = [LGGMRI(split) for split in ("train", "val", "test")]
    assert sorted(p for dataset in splits for p in dataset.patients) == PATIENTS
    assert [len(dataset) for dataset in splits] == [2 * len(d.patients) for d in splits]
    for dataset in splits:
        stems = [dataset.stem(i) for i in range(len(dataset))]
        assert {patient_of(stem) for stem in stems} == set(dataset.patients)


def test_masks_are_class_ids(data: Path) -> None:
    dataset = open_dataset("lgg_mri", "train")
    assert isinstance(dataset, LGGMRI)
    image, label = dataset.sample(0)
    assert image.shape == (2, 3, 3)
    np.testing.assert_array_equal(label, MASK.astype("uint8"))
    assert [item.name for item in dataset.classes] == ["background", "tumour"]


def test_patients_may_be_named(data: Path) -> None:
    patients = {"train": PATIENTS[:3], "test": PATIENTS[3:4]}
    dataset = LGGMRI("test", data, patients)
    assert dataset.patients == (PATIENTS[3],)
    assert [dataset.stem(i)[-4:] for i in range(len(dataset))] == ["/001", "/002"]


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (
            {"train": PATIENTS[:3], "val": PATIENTS[2:5]},
            "one split; got TCGA_CS_4943 in train and val",
        ),
        ({"train": ["TCGA_XX_1"]}, "among the 20 that have slices; got TCGA_XX_1"),
        ({"training": PATIENTS}, "one of train, val, test; got 'training'"),
        ({"val": PATIENTS[:1]}, "must hold images .* of split 'train'"),
    ],
)
def test_wrong_patients_are_named(data: Path, patients: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LGGMRI("train", data, patients)


def test_a_missing_folder_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(InputError, match=VARIABLE):
        LGGMRI("train")


def test_the_real_set_holds_what_is_known_of_it() -> None:
    folder = ROOT / (os.environ.get(VARIABLE) or DEFAULT) / "lgg_mri"
    if not folder.is_dir():
        pytest.skip(
            f"{DEFAULT}/lgg_mri is absent: it should hold "
            f"{{images,masks}}/<patient>/<slice>.{{jpg,png}}; {VARIABLE} may name its parent"
        )
    splits = [LGGMRI(split, folder) for split in ("train", "val", "test")]
    assert [len(dataset.patients) for dataset in splits] == [80, 16, 14]
    assert sum(map(len, splits)) == 3929
    assert len({patient for dataset in splits for patient in dataset.patients}) == 110
    pixels = np.zeros(256, int)
    with_tumour = 0
    for dataset in splits:
        for index in range(len(dataset)):
            counts = np.bincount(dataset.label(index).ravel(), minlength=256)
            with_tumour += counts[1] > 0
            pixels += counts
    assert pixels.sum() == 3929 * 256 * 256
    assert with_tumour == 1373
    assert pixels[1] / pixels.sum() == pytest.approx(0.0103, abs=5e-5)


def test_the_training_split_may_leave_out_slices_without_tumour(data: Path) -> None:
    every = LGGMRI("train")
    empty = [every.stem(index) for index in range(len(every)) if index % 2]
    for stem in empty:
        Image.fromarray(np.zeros_like(MASK)).save(data / "masks" / f"{stem}.png")
    none, half = LGGMRI("train", empty_share=0), LGGMRI("train", empty_share=0.5)
    assert all(none.label(index).any() for index in range(len(none)))
    assert len(none) == len(every) - len(empty)
    assert len(none) < len(half) < len(every)
    assert {none.stem(i) for i in range(len(none))} < {half.stem(i) for i in range(len(half))}
    assert none.patients == every.patients
    for split in ("val", "test"):
        assert len(LGGMRI(split, empty_share=0)) == len(LGGMRI(split))
    with pytest.raises(InputError, match=r"`empty_share` must be from 0 to 1; got 1\.5"):
        LGGMRI("train", empty_share=1.5)
