"""A folder of one's own becomes a data set with a recipe, or is refused in one line."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kit.data import FolderDataset
from kit.data.folder import parse_classes, read_toml
from kit.errors import InputError
from kit.starting import convert_folder, start_folder, write_example
from kit.training.recipe import Recipe
from tests.kit.own_folders import colored, rectangles, write_own

COLORS = [(0, 0, 0), (200, 10, 10), (20, 200, 20)]
WRITTEN = ["classes.toml", "contact_sheet.png", "recipe.toml"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_own(tmp_path / "streets", rectangles(12))


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def test_writes_a_data_set_that_opens_and_a_recipe_that_loads(folder: Path) -> None:
    start = start_folder(folder)
    assert start.fault() is None
    assert written(folder) == WRITTEN
    assert [path.name for path in start.written] == [
        "classes.toml",
        "contact_sheet.png",
        "recipe.toml",
    ]
    sets = {split: FolderDataset(folder, split) for split in ("train", "val", "test")}
    assert start.splits is not None
    assert {split: len(data) for split, data in sets.items()} == start.splits[0]
    assert sum(map(len, sets.values())) == 12
    assert [item.name for item in sets["train"].classes] == ["class 0", "class 1", "class 2"]
    assert len({item.color for item in sets["train"].classes}) == 3
    recipe = Recipe.load(folder / "recipe.toml")
    assert Path(recipe.data).resolve() == folder.resolve()
    assert recipe.name == "streets"
    assert all(side % 32 == 0 for side in (*recipe.image_size, *recipe.crop_size))
    assert recipe.batch_size <= len(sets["train"])


def test_shares_and_images_of_each_class_are_counted(folder: Path) -> None:
    start = start_folder(folder)
    assert start.table is not None
    labels = [np.asarray(Image.open(path)) for path in sorted((folder / "labels").iterdir())]
    for number, share in enumerate(start.table.shares):
        assert share == pytest.approx(np.mean([label == number for label in labels]))
    assert start.table.images == (12, 12, 12)
    assert start.table.void_pixels == 0
    assert "void" not in read_toml(folder / "classes.toml")


def test_255_is_void(tmp_path: Path) -> None:
    labels = rectangles(4)
    labels[1][:10] = 255
    start = start_folder(write_own(tmp_path, labels))
    assert start.table is not None
    assert start.table.void_share == pytest.approx(10 / 160)
    assert read_toml(tmp_path / "classes.toml")["void"] == 255
    assert len(start.table.classes) == 3


def test_a_palette_gives_the_colours(tmp_path: Path) -> None:
    write_own(tmp_path, rectangles(4))
    for path in (tmp_path / "labels").iterdir():
        image = Image.fromarray(np.asarray(Image.open(path)))
        image.putpalette([part for color in COLORS for part in color])
        image.save(path)
    start = start_folder(tmp_path)
    assert start.table is not None
    assert [item.color for item in start.table.classes] == COLORS


def test_two_palettes_are_refused_and_converted_by_colour(tmp_path: Path) -> None:
    folder = write_own(tmp_path / "a", rectangles(4))
    for number, path in enumerate(sorted((folder / "labels").iterdir())):
        image = Image.fromarray(np.asarray(Image.open(path)))
        colors = COLORS if number else COLORS[::-1]
        image.putpalette([part for color in colors for part in color])
        image.save(path)
    fault = start_folder(folder).fault()
    assert fault is not None
    assert "001.png must have the palette of the other label maps; id 0 has another" in fault
    convert_folder(folder, tmp_path / "b")
    before = np.asarray(Image.open(folder / "labels/000.png").convert("RGB"))
    classes, _ = parse_classes(Path("x"), read_toml(tmp_path / "b/classes.toml"))
    after = np.asarray(Image.open(tmp_path / "b/labels/000.png"))
    np.testing.assert_array_equal(np.array([item.color for item in classes])[after], before)


def test_own_classes_are_kept(folder: Path) -> None:
    start_folder(folder)
    text = (folder / "classes.toml").read_text().replace("class 1", "wall")
    (folder / "classes.toml").write_text(text)
    start = start_folder(folder, force=True)
    assert (folder / "classes.toml").read_text() == text
    assert start.table is not None
    assert start.table.classes[1].name == "wall"


def test_an_id_that_own_classes_do_not_list(folder: Path) -> None:
    start_folder(folder)
    Image.fromarray(np.full((40, 48), 7, np.uint8)).save(folder / "labels/003.png")
    fault = start_folder(folder, force=True).fault()
    assert fault is not None
    assert "003.png must hold class ids 0 to 2 or void (255)" in fault
    assert fault.endswith("got id 7")


def test_a_folder_that_has_a_recipe_is_left_alone(folder: Path) -> None:
    start_folder(folder)
    (folder / "recipe.toml").write_text("mine")
    with pytest.raises(InputError, match=r"no recipe\.toml and no contact_sheet\.png yet, unless"):
        start_folder(folder)
    assert (folder / "recipe.toml").read_text() == "mine"
    start_folder(folder, force=True)
    assert (folder / "recipe.toml").read_text() != "mine"


def test_a_gap_between_ids_is_noted(tmp_path: Path) -> None:
    labels = rectangles(4)
    for label in labels:
        label[label == 2] = 5
    start = start_folder(write_own(tmp_path, labels))
    assert start.table is not None
    assert start.table.absent == [2, 3, 4]
    assert start.fault() is None
    assert "no label map holds id 2, 3, 4" in " ".join(start.notes)


def test_label_maps_without_image_are_noted(folder: Path) -> None:
    (folder / "images/004.png").unlink()
    start = start_folder(folder)
    assert start.fault() is None
    assert start.survey.without_image == ["004"]
    assert "1 label maps have no image" in start.notes[0]


# === Faults ===


def fault_of(folder: Path) -> str:
    """What the verb says, whether it could look at the whole folder or not."""
    try:
        return start_folder(folder).fault() or ""
    except InputError as error:
        return str(error)


def damage(folder: Path, what: str) -> None:
    """Makes one thing wrong."""
    label, image = folder / "labels/002.png", folder / "images/002.png"
    if what == "empty":
        for path in (folder / "images").iterdir():
            path.unlink()
    elif what == "no labels":
        for path in (folder / "labels").iterdir():
            path.unlink()
    elif what == "image without label":
        label.unlink()
    elif what == "label as jpg":
        Image.open(label).save(label.with_suffix(".jpg"))
        label.unlink()
    elif what == "label of another size":
        Image.open(label).resize((20, 24)).save(label)
    elif what == "id 300":
        Image.fromarray(np.full((40, 48), 300, np.uint16)).save(label)
    elif what == "unreadable image":
        image.write_bytes(image.read_bytes()[:60])
    elif what == "unreadable label":
        label.write_bytes(b"no image")
    elif what == "one image":
        for path in [*(folder / "images").iterdir(), *(folder / "labels").iterdir()]:
            if path.stem != "002":
                path.unlink()
    elif what == "one class":
        for path in (folder / "labels").iterdir():
            Image.fromarray(np.zeros((40, 48), np.uint8)).save(path)
    elif what == "255 for a class":
        for path in (folder / "labels").iterdir():
            Image.fromarray(np.where(np.asarray(Image.open(path)) > 0, 255, 0).astype("u1")).save(
                path
            )
    elif what == "one in colours":
        Image.fromarray(colored(np.asarray(Image.open(label)), COLORS)).save(label)
    elif what == "photograph":
        noise = np.random.default_rng(0).integers(0, 256, (40, 48, 3)).astype(np.uint8)
        Image.fromarray(noise).save(label)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("empty", r"images must hold images \(\.jpg or \.png\); got none"),
        ("no labels", r"labels must hold label maps \(\.png\); got none"),
        ("image without label", r"images/002\.png must have a label map; expected .*labels/002\.p"),
        ("label as jpg", r"labels/002\.jpg must be a PNG, which keeps ids as they are; got \.jpg"),
        ("label of another size", r"002\.png must be as large as its image .*48x40, got 20x24"),
        ("id 300", r"002\.png must hold class ids 0 to 254, or 255 for void; got id 300"),
        ("unreadable image", r"images/002\.png must be an image .*; got a file that cannot be"),
        ("unreadable label", r"labels/002\.png must be a label map .*; got a file that cannot"),
        ("one image", r"must hold 3 labelled images or more, one for each of .*; got 1"),
        ("one class", r"labels must hold two classes or more; got only 0"),
        ("255 for a class", r"got only 0 and 255, which is void \(if it is a class: tierseg init"),
        ("one in colours", r"002\.png must hold what the other label maps hold; got colours, and"),
        ("photograph", r"labels/002\.png must hold at most 254 colours, one a class; got 19"),
    ],
)
def test_one_line_for_each_fault_and_nothing_written(folder: Path, what: str, message: str) -> None:
    damage(folder, what)
    fault = fault_of(folder)
    assert re.search(message, fault)
    assert "\n" not in fault
    assert written(folder) == []


def test_several_faults_are_counted(folder: Path) -> None:
    (folder / "labels/002.png").unlink()
    (folder / "labels/005.png").unlink()
    start = start_folder(folder)
    assert start.survey.unlabelled == ["002", "005"]
    assert str(start.fault()).endswith("(and 1 more faults)")


@pytest.mark.parametrize("part", ["", "images", "labels"])
def test_a_folder_that_is_not_there(tmp_path: Path, part: str) -> None:
    if part:
        for name in {"images", "labels"} - {part}:
            (tmp_path / "a" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(
            tmp_path / "a" / {"labels": "images/1.png"}.get(part, "x.png")
        )
    with pytest.raises(InputError, match=rf"{tmp_path / 'a' / part} must be a folder.*no such"):
        start_folder(tmp_path / "a")


# === Conversion ===


@pytest.fixture
def painted(tmp_path: Path) -> Path:
    labels = [colored(label, COLORS) for label in rectangles(6)]
    return write_own(tmp_path / "painted", labels)


def test_colours_are_refused_with_the_command_that_converts_them(painted: Path) -> None:
    start = start_folder(painted)
    assert start.survey.colors.keys() == set(COLORS)
    assert f"got RGB with 3 colours (write them as ids: tierseg init {painted} --convert" in str(
        start.fault()
    )
    assert written(painted) == []


def test_colours_become_ids(painted: Path, tmp_path: Path) -> None:
    start = convert_folder(painted, tmp_path / "ids")
    assert start.fault() is None
    assert written(tmp_path / "ids") == WRITTEN
    assert start.written[0] == tmp_path / "ids"
    data = FolderDataset(tmp_path / "ids", "train")
    assert sorted(COLORS) == [item.color for item in data.classes]
    for index in range(len(data)):
        image, label = data.sample(index)
        before = np.asarray(Image.open(painted / f"labels/{data.stem(index)}.png"))
        np.testing.assert_array_equal(colored(label, sorted(COLORS)), before)
        original = np.asarray(Image.open(painted / f"images/{data.stem(index)}.png"))
        np.testing.assert_array_equal(image, original)
    assert Recipe.load(tmp_path / "ids/recipe.toml").name == "ids"


def table_of(path: Path, colors: list[tuple[int, int, int]], extra: str = "") -> Path:
    classes = [
        f'[[classes]]\nid = {k}\nname = "thing {k}"\ncolor = {list(color)}\n'
        for k, color in enumerate(colors)
    ]
    path.write_text(extra + "\n" + "\n".join(classes))
    return path


def test_a_table_names_the_colours(painted: Path, tmp_path: Path) -> None:
    table = table_of(tmp_path / "t.toml", COLORS[::-1][:2], "void_color = [0, 0, 0]")
    convert_folder(painted, tmp_path / "ids", colors=table)
    data = FolderDataset(tmp_path / "ids", "train")
    assert [item.name for item in data.classes] == ["thing 0", "thing 1"]
    before = np.asarray(Image.open(painted / f"labels/{data.stem(0)}.png"))
    np.testing.assert_array_equal(data.label(0) == 255, (before == 0).all(-1))


@pytest.mark.parametrize("is_inside", [True, False])
def test_an_unknown_colour_is_named_with_file_and_pixel(
    painted: Path, tmp_path: Path, is_inside: bool
) -> None:
    table = table_of(painted / "classes.toml" if is_inside else tmp_path / "t.toml", COLORS)
    odd = np.array(Image.open(painted / "labels/004.png"))
    odd[7, 9] = (1, 2, 3)
    Image.fromarray(odd).save(painted / "labels/004.png")
    message = r"labels/004\.png must hold the colours of .*; got \[1, 2, 3\] at pixel x=9, y=7"
    with pytest.raises(InputError, match=message):
        convert_folder(painted, tmp_path / "ids", colors=None if is_inside else table)
    assert not (tmp_path / "ids").exists()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".partial"] == []


def test_255_beside_one_other_id_becomes_a_class(tmp_path: Path) -> None:
    labels = [np.where(label > 0, 255, 0).astype(np.uint8) for label in rectangles(4)]
    start = convert_folder(write_own(tmp_path / "a", labels), tmp_path / "b")
    assert start.table is not None
    assert [item.name for item in start.table.classes] == ["class 0", "class 255"]
    assert np.unique(Image.open(tmp_path / "b/labels/000.png")).tolist() == [0, 1]


def test_ids_lose_their_gaps_and_255_stays_void(tmp_path: Path) -> None:
    labels = [np.array([7, 11, 255], np.uint8)[label] for label in rectangles(4)]
    start = convert_folder(write_own(tmp_path / "a", labels), tmp_path / "b")
    assert start.table is not None
    assert [item.name for item in start.table.classes] == ["class 7", "class 11"]
    assert np.unique(Image.open(tmp_path / "b/labels/000.png")).tolist() == [0, 1, 255]


def test_wide_ids_are_refused_and_become_bytes(tmp_path: Path) -> None:
    folder = write_own(tmp_path / "a", [label.astype(np.uint16) for label in rectangles(4)])
    assert "000.png must hold one byte a pixel, the class id; got more" in str(
        start_folder(folder).fault()
    )
    convert_folder(folder, tmp_path / "b")
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "b/labels/002.png")), rectangles(4)[2]
    )


def test_a_new_folder_that_exists_is_left_alone(painted: Path, tmp_path: Path) -> None:
    (tmp_path / "ids").mkdir()
    with pytest.raises(InputError, match="`--convert` must be a new folder"):
        convert_folder(painted, tmp_path / "ids")
    assert list((tmp_path / "ids").iterdir()) == []


# === Nothing half-written ===


@pytest.mark.parametrize("name", WRITTEN)
def test_a_full_disk_leaves_no_recipe_and_no_classes(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.replace

    def fill(self: Path, target: Path) -> Path:
        if target.name == name:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fill)
    with pytest.raises(OSError, match=f"No space left on device: .*{name}"):
        start_folder(folder)
    assert not set(written(folder)) & {"classes.toml", "recipe.toml"}
    assert [path for path in written(folder) if path.startswith("partial")] == []


def test_the_example_is_a_folder_like_any_other(tmp_path: Path) -> None:
    folder = write_example(tmp_path / "example", counts=(3, 1, 1))
    start = start_folder(folder)
    assert start.fault() is None
    assert start.splits == ({"train": 3, "val": 1, "test": 1}, "as classes.toml says")
    assert json.loads(json.dumps(start.to_dict()))["pairs"] == 5
    with pytest.raises(InputError, match="new folder"):
        write_example(folder)
