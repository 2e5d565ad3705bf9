"""Complexity of images: against hand-computed values, and what lies on disk."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kit.data.complexity import MEASURES, complexities, complexity
from kit.errors import InputError
from tests.kit.data.samples import MemoryDataset


def grey(rows: list[list[int]]) -> np.ndarray:
    return np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=2)


def test_a_step_by_hand() -> None:
    # Of three inner columns two touch the edge: (1 + 2 + 1) * 10 levels each.
    image = grey([[0, 0, 10, 10, 10]] * 4)
    assert complexity(image) == pytest.approx(80 / 3, rel=1e-5)
    assert complexity(image, "sobel_rms") == pytest.approx(np.sqrt(3200 / 3), rel=1e-5)
    assert complexity(image, "sobel_std") == pytest.approx(np.sqrt(3200 / 9), rel=1e-5)
    assert complexity(image.transpose(1, 0, 2)) == pytest.approx(80 / 3, rel=1e-5)


def test_a_corner_by_hand() -> None:
    # Across: 10 + 2 * 0 + 0 against nothing is 10; down likewise.
    image = grey([[0, 0, 10], [0, 0, 0], [0, 0, 0]])
    assert complexity(image) == pytest.approx(np.sqrt(200), rel=1e-5)


def test_colours_count_as_luma() -> None:
    image = np.zeros((3, 3, 3), np.uint8)
    image[:, 2, 1] = 100
    assert complexity(image) == pytest.approx(4 * 58.7, rel=1e-5)


@pytest.mark.parametrize("measure", [name for name in MEASURES if name.startswith("sobel")])
def test_a_constant_image_has_none(measure: str) -> None:
    assert complexity(grey([[77] * 5] * 4), measure) == pytest.approx(0, abs=1e-4)


def test_bits_per_pixel_are_those_of_a_jpeg() -> None:
    image = MemoryDataset(1).image(0)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=75)
    assert complexity(image, "bits_per_pixel") == 8 * len(file.getvalue()) / (12 * 16)


@pytest.mark.parametrize("shape", [(2, 9, 3), (9, 9), (9, 9, 4)], ids=str)
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"`image` must be \(height, width, 3\)"):
        complexity(np.zeros(shape, np.uint8))


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(InputError, match=r"`measure` must be one of sobel_mean, .* got 'entropy'"):
        complexity(np.zeros((9, 9, 3), np.uint8), "entropy")


class Counting(MemoryDataset):
    """Counts the images that are measured, not those that are digested."""

    reads = 0

    def image(self, index: int) -> np.ndarray:
        self.reads += 1
        return super().image(index)

    def _image_bytes(self, index: int) -> bytes:
        return self.images[index].tobytes()


def test_scores_are_computed_once(tmp_path: Path) -> None:
    dataset = Counting(5)
    scores, digest = complexities(dataset, cache=tmp_path)
    np.testing.assert_array_equal(scores, [complexity(image) for image in dataset.images])
    assert digest == dataset.digest()
    again, _ = complexities(dataset, cache=tmp_path)
    np.testing.assert_array_equal(again, scores)
    assert dataset.reads == 5
    complexities(dataset, "sobel_std", cache=tmp_path)
    assert dataset.reads == 10


def test_a_stale_cache_is_noticed(tmp_path: Path) -> None:
    dataset = Counting(5)
    before, _ = complexities(dataset, cache=tmp_path)
    dataset.images[3] = 9
    after, _ = complexities(dataset, cache=tmp_path)
    assert list(np.flatnonzero(before != after)) == [3]


@pytest.mark.parametrize("damage", ["", "[1]", "digest", "scores", "nan"])
def test_a_damaged_cache_is_computed_anew(tmp_path: Path, damage: str) -> None:
    dataset = Counting(5)
    scores, _ = complexities(dataset, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    content = json.loads(path.read_text())
    damaged = {
        "digest": {**content, "digest": "0"},
        "scores": {**content, "scores": content["scores"][:4]},
        "nan": {**content, "scores": [float("nan")] * 5},
    }
    path.write_text(json.dumps(damaged[damage]) if damage in damaged else damage)
    np.testing.assert_array_equal(complexities(dataset, cache=tmp_path)[0], scores)
    assert dataset.reads == 10
    assert json.loads(path.read_text()) == content


def test_the_folder_is_one_s_own_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIERSEG_CACHE", str(tmp_path / "new" / "folder"))
    complexities(MemoryDataset(2))
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 1
