"""Pictures of every kind in; palette masks and overlays out."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from mobile_export.runtime import Label, TiersegError, load_image, mask_image, overlay, resized
from mobile_export.runtime.image_io import checked, resized_mask

LABELS = (Label(0, "road", (10, 20, 30)), Label(2, "car", (200, 0, 100)))
ORIENTATION = 0x0112


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth, so that JPEG keeps it; wider than high, so that a rotation shows."""
    rows, columns = np.mgrid[0:40, 0:60]
    return np.stack([rows * 4, columns * 4, 255 - rows * 3], -1).astype(np.uint8)


def _encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def test_a_png_is_read_exactly_from_path_and_bytes(picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(picture).save(path)
    for source in (path, str(path), path.read_bytes()):
        assert_array_equal(load_image(source), picture)


@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_jpegs_of_print_and_screen_are_read(picture: np.ndarray, mode: str) -> None:
    content = _encoded(Image.fromarray(picture).convert(mode), "JPEG", quality=98)
    assert np.abs(load_image(content).astype(int) - picture).mean() < 2


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "RGBA"])
def test_every_png_mode_becomes_rgb(picture: np.ndarray, mode: str) -> None:
    converted = Image.fromarray(picture).convert(mode)
    expected = np.asarray(converted.convert("RGB"))
    assert_array_equal(load_image(_encoded(converted, "PNG")), expected)


def test_16_bit_grey_keeps_its_upper_byte() -> None:
    wide = np.linspace(0, 65535, 60 * 40).reshape(40, 60).astype(np.uint16)
    loaded = load_image(_encoded(Image.fromarray(wide), "PNG"))
    assert_array_equal(loaded, np.repeat((wide >> 8).astype(np.uint8)[..., None], 3, -1))


def test_float_tiff_is_read_as_0_to_255() -> None:
    values = np.array([[-5.0, 0.0, 100.4, 255.0, 300.0]], np.float32)
    loaded = load_image(_encoded(Image.fromarray(values), "TIFF"))
    assert loaded[0, :, 0].tolist() == [0, 0, 100, 255, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_shows_white(mode: str) -> None:
    clear = Image.new("RGBA", (4, 4), (90, 90, 90, 0)).convert(mode)
    assert (load_image(_encoded(clear, "PNG")) == 255).all()


def test_a_transparent_palette_shows_white() -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 200, 10, 10])
    assert (load_image(_encoded(image, "PNG", transparency=1)) == 255).all()
    assert (load_image(_encoded(image, "PNG")) == (200, 10, 10)).all()


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_exif_rotation_is_applied(picture: np.ndarray, orientation: int, turns: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    loaded = load_image(_encoded(Image.fromarray(picture), "PNG", exif=exif))
    assert_array_equal(loaded, np.rot90(picture, turns))


def test_a_truncated_image_names_the_file(picture: np.ndarray, tmp_path: Path) -> None:
    for form in ("JPEG", "PNG"):
        path = tmp_path / f"cut.{form.lower()}"
        content = _encoded(Image.fromarray(picture), form)
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(TiersegError, match=rf"cut\.{form.lower()} must be a whole image"):
            load_image(path)


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"])
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(TiersegError, match=r"upload\.jpg must be a whole image .* cannot be read"):
        load_image(content, "upload.jpg")


def test_an_image_of_absurd_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = _encoded(Image.new("L", (100, 100)), "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(TiersegError, match=r"must be a whole image .*decompression bomb"):
        load_image(content)


@pytest.mark.parametrize(("name", "received"), [("gone.jpg", "no such file"), (".", "a folder")])
def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path, name: str, received: str) -> None:
    with pytest.raises(TiersegError, match=f"must be an image .*; got {received}"):
        load_image(tmp_path / name)


@pytest.mark.parametrize("size", [(20, 30), (40, 90), (80, 15)])
def test_resized_stretches_to_height_and_width(picture: np.ndarray, size: tuple[int, int]) -> None:
    small = resized(picture, size)
    assert small.dtype == np.uint8
    assert small.shape == (*size, 3)
    rows, columns = np.mgrid[0 : size[0], 0 : size[1]]
    expected = (rows + 0.5) / size[0] * 160, (columns + 0.5) / size[1] * 240
    assert np.abs(small[..., 0] - expected[0]).max() < 8
    assert np.abs(small[..., 1] - expected[1]).max() < 8


def test_resized_leaves_an_image_of_the_right_size_alone(picture: np.ndarray) -> None:
    assert resized(picture, (40, 60)) is picture


def test_a_mask_image_holds_ids_and_shows_colours() -> None:
    mask = np.array([[0, 2, 7]], np.uint8)
    image = Image.open(io.BytesIO(_encoded(mask_image(mask, LABELS), "PNG")))
    assert image.mode == "P"
    assert_array_equal(np.asarray(image), mask)
    assert np.asarray(image.convert("RGB"))[0, :2].tolist() == [[10, 20, 30], [200, 0, 100]]


@pytest.mark.parametrize("opacity", [0, 0.25, 0.5, 1])
def test_overlay_mixes_image_and_colour(opacity: float) -> None:
    image = np.full((2, 3, 3), 255, np.uint8)
    mask = np.array([[0, 2, 0], [2, 0, 2]], np.uint8)
    colors = np.where((mask == 0)[..., None], (10, 20, 30), (200, 0, 100))
    expected = image * (1 - opacity) + colors * opacity
    painted = overlay(image, mask, LABELS, opacity)
    assert painted.dtype == np.uint8
    assert np.abs(painted - expected).max() <= 1


def test_overlay_refuses_a_mask_of_another_size() -> None:
    message = r"`mask` must have the image's size; expected \(4, 5\), got \(5, 4\)"
    with pytest.raises(TiersegError, match=message):
        overlay(np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4), np.uint8))


@pytest.mark.parametrize("opacity", [-0.1, 1.1])
def test_overlay_refuses_an_opacity_out_of_range(opacity: float) -> None:
    with pytest.raises(TiersegError, match=f"`opacity` must be within 0 and 1, got {opacity}"):
        overlay(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8), opacity=opacity)


def test_a_mask_takes_the_nearest_class_at_the_size_of_the_image(picture: np.ndarray) -> None:
    mask = np.arange(20 * 15, dtype=np.uint8).reshape(20, 15)
    sized = resized_mask(mask, picture.shape[:2])
    rows, columns = np.arange(40) // 2, np.arange(60) // 4
    assert_array_equal(sized, mask[rows[:, None], columns[None]])
    assert resized_mask(sized, picture.shape[:2]) is sized


def test_an_image_is_passed_on_and_what_is_none_is_not(picture: np.ndarray) -> None:
    assert checked(picture) is picture
    with pytest.raises(TiersegError, match=r"`image` must be a uint8 array .*got float64 \(40, 60"):
        checked(picture / 255)
