"""A data set of one's own: what is read, and one clear line for each way to get it wrong."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kit.data import open_dataset
from kit.data.batches import Batches
from kit.data.folder import FolderDataset
from kit.errors import InputError
from tests.kit.data.samples import CLASSES, write_folder, write_pair

STEMS = ["a/1", "a/2", "b/1", "b/2"]
SPLITS = '[splits]\ntrain = ["a/*"]\nval = ["b/1"]\ntest = ["b/2"]'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "streets", STEMS, end=SPLITS)


@pytest.mark.parametrize(
    ("split", "stems"), [("train", ["a/1", "a/2"]), ("val", ["b/1"]), ("test", ["b/2"])]
)
def test_what_a_split_holds(folder: Path, split: str, stems: list[str]) -> None:
    dataset = open_dataset(folder, split)
    assert isinstance(dataset, FolderDataset)
    assert (dataset.name, dataset.split, dataset.classes) == ("streets", split, CLASSES)
    assert [dataset.stem(i) for i in range(len(dataset))] == stems
    for i, stem in enumerate(stems):
        image, label = dataset.sample(i)
        np.testing.assert_array_equal(image, Image.open(folder / f"images/{stem}.png"))
        np.testing.assert_array_equal(label, Image.open(folder / f"labels/{stem}.png"))


def test_name_and_void_are_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, STEMS, extra='name = "mine"\nvoid = 3', end=SPLITS)
    Image.fromarray(np.array([[0, 1, 2, 3]] * 6, np.uint8).repeat(2, 1)).save(
        folder / "labels/a/1.png"
    )
    dataset = FolderDataset(folder, "train")
    assert dataset.name == "mine"
    np.testing.assert_array_equal(dataset.label(0)[0], [0, 0, 1, 1, 2, 2, 255, 255])


def test_classes_stand_in_the_order_of_their_ids(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, STEMS)
    entry = '[[classes]]\nid = {}\nname = "{}"\ncolor = [0, 0, {}]\n'
    text = "".join(entry.format(i, name, i) for i, name in [(2, "c"), (0, "a"), (1, "b")])
    (folder / "classes.toml").write_text(text + SPLITS)
    classes = FolderDataset(folder, "train").classes
    assert [(c.name, c.color[2]) for c in classes] == [("a", 0), ("b", 1), ("c", 2)]


def test_the_digest_depends_on_names_and_bytes(folder: Path) -> None:
    before = FolderDataset(folder, "train").digest()
    assert before == FolderDataset(folder, "train").digest()
    assert before != FolderDataset(folder, "val").digest()
    write_pair(folder, "a/2", seed=99)
    assert before != FolderDataset(folder, "train").digest()


def test_images_that_no_split_names_are_left_out(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, STEMS, end='[splits]\ntrain = ["a/2"]')
    dataset = FolderDataset(folder, "train")
    assert [dataset.stem(i) for i in range(len(dataset))] == ["a/2"]


def test_a_name_with_brackets_is_a_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, ["shot[1]", "shot[2]"], end='[splits]\ntrain = ["shot[2]"]')
    assert FolderDataset(folder, "train").stem(0) == "shot[2]"


def stems_of(folder: Path, split: str) -> list[str]:
    dataset = FolderDataset(folder, split)
    return [dataset.stem(i) for i in range(len(dataset))]


@pytest.mark.parametrize(
    ("end", "shares"),
    [
        ("", {"train": 0.8, "val": 0.1, "test": 0.1}),
        ("[splits]\ntrain = 0.5\nval = 0.5", {"train": 0.5, "val": 0.5}),
    ],
    ids=["default", "declared"],
)
def test_shares_part_the_images_and_keep_them_where_they_are(
    tmp_path: Path, end: str, shares: dict[str, float]
) -> None:
    stems = [f"{i:03d}" for i in range(120)]
    folder = write_folder(tmp_path, stems, end=end)
    before = {split: stems_of(folder, split) for split in shares}
    assert sorted(stem for part in before.values() for stem in part) == stems
    for split, share in shares.items():
        assert len(before[split]) == pytest.approx(120 * share, abs=3 * np.sqrt(120 * share))
    write_pair(folder, "new")
    after = {split: stems_of(folder, split) for split in shares}
    for split in shares:
        assert set(after[split]) - {"new"} == set(before[split])


@pytest.mark.parametrize("end", ["[splits]\ntrain = 1", "[splits]\ntrain = 1.0"])
def test_a_whole_share_holds_everything(tmp_path: Path, end: str) -> None:
    assert stems_of(write_folder(tmp_path, STEMS, end=end), "train") == STEMS


def replace(name: str, image: Image.Image) -> Callable[[Path], None]:
    return lambda folder: image.save(folder / name)


def truncate(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        noise = np.random.default_rng(1).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        Image.fromarray(noise).save(folder / name)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return apply


IDS = np.zeros((6, 8), np.uint8)
BAD_FILES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "image without label": (
        lambda folder: (folder / "labels/a/1.png").unlink(),
        "images/a/1.png",
        "must have a label map",
    ),
    "label of another size": (
        replace("labels/a/1.png", Image.fromarray(IDS.T.copy())),
        "labels/a/1.png",
        "expected 8x6, got 6x8",
    ),
    "id beyond the list": (
        replace("labels/a/1.png", Image.fromarray(IDS + np.uint8(3))),
        "labels/a/1.png",
        "got id 3",
    ),
    "label in color": (
        replace("labels/a/1.png", Image.fromarray(np.zeros((6, 8, 3), np.uint8))),
        "labels/a/1.png",
        "got RGB",
    ),
    "truncated image": (truncate("images/a/1.png"), "images/a/1.png", "cannot be read"),
    "truncated label": (truncate("labels/a/1.png"), "labels/a/1.png", "cannot be read"),
    "text for an image": (
        lambda folder: (folder / "images/a/1.png").write_text("no image") and None,
        "images/a/1.png",
        "cannot be read",
    ),
    "two images of one name": (
        replace("images/a/1.jpg", Image.new("RGB", (8, 6))),
        "images/a/1.png",
        "only image of its name",
    ),
}


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("case", BAD_FILES)
def test_a_bad_file_is_one_line_that_names_it(folder: Path, case: str, cache: bool) -> None:
    spoil, name, reason = BAD_FILES[case]
    Batches(FolderDataset(folder, "train"), 2, (6, 8), cache=cache)[0]
    spoil(folder)
    with pytest.raises(InputError) as error:
        Batches(FolderDataset(folder, "train"), 2, (6, 8), cache=cache)[0]
    message = str(error.value)
    assert str(folder / name) in message
    assert reason in message
    assert "\n" not in message


CLASS = '[[classes]]\nid = {}\nname = "x"\ncolor = {}\n'
BAD_TABLES = {
    "no toml": ("classes = [", "must be a TOML file"),
    "no classes": ('name = "x"', "[[classes]]"),
    "empty classes": ("classes = []", "[[classes]]"),
    "classes that are no tables": ("classes = [1, 2]", "a class must hold"),
    "color beyond 255": (CLASS.format(0, [0, 0, 256]), "a class must hold"),
    "color of four": (CLASS.format(0, [0, 0, 0, 0]), "a class must hold"),
    "class without name": ("[[classes]]\nid = 0\ncolor = [0, 0, 0]", "a class must hold"),
    "id twice": (CLASS.format(0, [0, 0, 0]) * 2, "got 0 twice"),
    "gap": (CLASS.format(0, [0, 0, 0]) + CLASS.format(2, [0, 0, 0]), "without a gap"),
    "void is a class": ("void = 0\n" + CLASS.format(0, [0, 0, 0]), "`void` must be an id from 1"),
    "void above 255": ("void = 256\n" + CLASS.format(0, [0, 0, 0]), "`void` must be an id from 1"),
}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_one_line_that_names_it(folder: Path, case: str) -> None:
    text, reason = BAD_TABLES[case]
    (folder / "classes.toml").write_text(text)
    with pytest.raises(InputError) as error:
        FolderDataset(folder, "train")
    message = str(error.value)
    assert message.startswith(str(folder / "classes.toml"))
    assert reason in message
    assert "\n" not in message


BAD_SPLITS = {
    "empty split": ('train = ["a/*"]', "val", "split 'val' must hold images"),
    "empty share": ("train = 1.0", "val", "split 'val' must hold images"),
    "name of no image": ('val = ["a/1", "c/*"]', "val", "got none like c/*"),
    "image in two": ('train = ["a/*"]\nval = ["*1"]', "train", "a/1 in several"),
    "sum above 1": ("train = 0.8\nval = 0.3", "train", "at most 1"),
    "negative": ("train = 0.8\nval = -0.3", "train", "shares"),
    "unknown name": ("trian = 0.8", "train", "train, val, test"),
    "mixture": ('train = 0.8\nval = ["b/1"]', "train", "all lists of names or all shares"),
}


@pytest.mark.parametrize("case", BAD_SPLITS)
def test_bad_splits_are_one_line(tmp_path: Path, case: str) -> None:
    splits, split, reason = BAD_SPLITS[case]
    folder = write_folder(tmp_path, STEMS, end=f"[splits]\n{splits}")
    with pytest.raises(InputError) as error:
        FolderDataset(folder, split)
    message = str(error.value)
    assert message.startswith(str(folder / "classes.toml"))
    assert reason in message
    assert "\n" not in message


def test_an_unknown_split_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"^`split` must be one of train, val, test; got 'tset'$"):
        FolderDataset(folder, "tset")


@pytest.mark.parametrize("missing", ["images", "labels", "classes.toml", "."])
def test_a_missing_part_is_named(folder: Path, missing: str) -> None:
    target = folder / missing
    target.rename(folder.parent / "elsewhere")
    with pytest.raises(InputError) as error:
        FolderDataset(folder, "train")
    assert str(folder) in str(error.value)
    assert ("no such folder" if missing == "." else missing) in str(error.value)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [])
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    with pytest.raises(InputError, match="must hold images"):
        FolderDataset(folder, "train")


def test_an_exif_rotated_image_fits_its_label_as_displayed(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (6, 8)).save(folder / "images/a/1.png", exif=exif)  # displayed 8 wide, 6 high
    image, label = FolderDataset(folder, "train").sample(0)
    assert image.shape[:2] == label.shape == (6, 8)


@pytest.mark.parametrize("name", ["nowhere", "camvit"])
def test_an_unknown_name_lists_what_is_known(name: str) -> None:
    with pytest.raises(InputError, match=f"camvid, lgg_mri, street_scenes.*got '{name}'"):
        open_dataset(name, "train")
