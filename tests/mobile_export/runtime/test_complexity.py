"""The detail of an image, and the size that it asks for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.data.complexity import complexity
from mobile_export.runtime import Bundle, Segmenter, TiersegError
from mobile_export.runtime.complexity import SizeByComplexity, sobel_mean
from tests.tiny_bundle import HEIGHT, WIDTH, packed, scene, stripes, tiny_metadata

NATIVE = (HEIGHT, WIDTH)
SIZES = ((24, 32), NATIVE)


def texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("height", [3, 4, 25, 26])
def test_of_few_rows_it_is_the_measure_of_the_kit(height: int) -> None:
    image = texture(height, 40)
    assert sobel_mean(image, (height, 40)) == pytest.approx(complexity(image), rel=1e-6)


def test_of_many_rows_it_is_near_it() -> None:
    image = texture(360, 480)
    assert sobel_mean(image, (352, 480)) == pytest.approx(complexity(image), rel=0.02)


@pytest.mark.parametrize(("side", "rest"), [(2, 0), (3, 1)])
def test_a_larger_photograph_is_averaged_first(side: int, rest: int) -> None:
    image = texture(side * 20 + rest, side * 30 + rest)
    whole = image[: side * 20, : side * 30].astype(float).reshape(20, side, 30, side, 3)
    small = whole.mean((1, 3))
    exact = complexity(np.rint(small).astype(np.uint8))
    assert sobel_mean(image, (20, 30)) == pytest.approx(exact, rel=0.02)
    # Detail finer than the network sees does not count.
    assert sobel_mean(image, (20, 30)) < 0.7 * sobel_mean(image, image.shape[:2])


@pytest.mark.parametrize("shape", [(2, 40), (40, 1), (48, 64)])
def test_what_has_no_detail_is_zero(shape: tuple[int, int]) -> None:
    assert sobel_mean(np.full((*shape, 3), 77, np.uint8), (48, 64)) == 0


def test_thresholds_part_the_sizes() -> None:
    sizes = ((24, 32), (36, 48), NATIVE)
    image = stripes(4)
    score = sobel_mean(image, NATIVE)
    for thresholds, place in (
        ((score + 1, score + 2), 0),
        ((score, score + 1), 1),
        ((score - 1, score + 1), 1),
        ((score - 1, score), 2),
    ):
        assert SizeByComplexity(sizes, thresholds).size(image) == sizes[place]
    asks_middle = SizeByComplexity(sizes, (score - 1, score + 1))
    assert asks_middle.tier(image, {sizes[0]: "small", NATIVE: "large"}) == "large"
    assert asks_middle.tier(image, {sizes[0]: "small"}) == "small"


@pytest.fixture
def segmenter(tiny_model_bytes: bytes) -> Segmenter:
    return Segmenter(_bundle(tiny_model_bytes, _content()), threads=1, warm_up="none")


def _content(**changes: Any) -> dict[str, Any]:
    between = (sobel_mean(scene(), NATIVE) + sobel_mean(stripes(4), NATIVE)) / 2
    return {**SizeByComplexity(SIZES, (between,)).to_dict(), **changes}


def _bundle(model: bytes, content: object) -> Bundle:
    metadata = {**tiny_metadata(model), "complexity": content}
    return Bundle.from_bytes(packed(model, metadata), "sized.tflite")


def test_a_segmenter_takes_the_size_that_the_image_asks_for(segmenter: Segmenter) -> None:
    assert segmenter.sizes("light") == {SIZES[0]: "light_24x32", NATIVE: "light"}
    assert segmenter.sizes("light_24x32") == segmenter.sizes("light")
    assert segmenter.sizes("heavy_exit1") == {NATIVE: "heavy_exit1"}
    for image, tier in ((scene(), "light_24x32"), (stripes(4), "light")):
        result = segmenter.by_complexity(image, "light")
        assert result.tier == tier
        np.testing.assert_array_equal(result.mask, segmenter(image, tier).mask)
        assert segmenter.by_complexity(image).tier == "heavy"
    large = segmenter.by_complexity(scene(480, 640), "light")
    assert large.mask.shape == (480, 640)
    assert segmenter.by_complexity(scene(480, 640), "light", native=True).mask.shape == NATIVE


def test_what_it_cannot_run_is_named(segmenter: Segmenter, tiny_bundle: Path) -> None:
    with pytest.raises(TiersegError, match="`tier` must be one of"):
        segmenter.by_complexity(scene(), "lightest")
    with pytest.raises(TiersegError, match="`image` must be a uint8 array"):
        segmenter.by_complexity(scene()[0], "light")
    with pytest.raises(TiersegError, match="must have `complexity` in its metadata"):
        Segmenter(tiny_bundle, warm_up="none").by_complexity(scene(), "light")


@pytest.mark.parametrize(
    "changes",
    [
        {"measure": "bits_per_pixel"},
        {"thresholds": [1.0, 2.0]},
        {"thresholds": ["much"]},
        {"thresholds": [float("nan")]},
        {"sizes": [24, 32]},
        {"sizes": [[24, 32], [36, 48], [48, 64]], "thresholds": [2.0, 1.0]},
    ],
)
def test_damaged_thresholds_are_refused(tiny_model_bytes: bytes, changes: dict[str, Any]) -> None:
    with pytest.raises(TiersegError, match="`complexity` must hold the measure sobel_mean"):
        Segmenter(_bundle(tiny_model_bytes, _content(**changes)), warm_up="none")


def test_a_missing_key_is_refused(tiny_model_bytes: bytes) -> None:
    content = _content()
    del content["thresholds"]
    with pytest.raises(TiersegError, match="`complexity` must hold"):
        Segmenter(_bundle(tiny_model_bytes, content), warm_up="none")
