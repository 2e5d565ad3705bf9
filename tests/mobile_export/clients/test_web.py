"""The web client's masks in headless Chromium, against the Python runtime's."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from mobile_export.runtime import Result, Segmenter, load_image
from mobile_export.runtime.image_io import resized
from tests.mobile_export.clients.conftest import Opened
from tests.mobile_export.clients.page_bytes import HELPERS, array_of, text_of
from tests.tiny_bundle import EXITS, clear_from, scene, stripes

pytestmark = pytest.mark.clients

ASSETS = Path(__file__).parents[3] / "assets"
SHIPPED = ASSETS / "models" / "camvid_exits.tflite"
CAMVID = ASSETS / "models" / "camvid.tflite"
AGREEMENT = 0.99

OPEN = """async (options) => {
  const { Segmenter } = await import("./segmenter.js");
  const content = new Uint8Array(await (await fetch("bundle")).arrayBuffer());
  window.segmenter = await Segmenter.open(content, options ?? {});
}"""

# Every tier by a call of its own, and every configuration that has stages through all of them.
ALL_TIERS = f"""async (picture) => {{
  {HELPERS}
  const {{ Picture }} = await import("./picture.js");
  const read = await Picture.read(new Blob([bytesOf(picture)]));
  const found = {{ tiers: {{}}, chains: {{}} }};
  for (const {{ name }} of segmenter.tiers) {{
    found.tiers[name] = plain(await segmenter.run(read, name));
  }}
  for (const configuration of segmenter.chains.keys()) {{
    found.chains[configuration] = plain(await segmenter.adaptive(read, configuration, 1));
  }}
  return found;
}}"""

ADAPTIVE = f"""async ([picture, threshold]) => {{
  {HELPERS}
  const {{ Picture }} = await import("./picture.js");
  const read = await Picture.read(new Blob([bytesOf(picture)]));
  return plain(await segmenter.adaptive(read, undefined, threshold));
}}"""

RESIZE = f"""async ([rgba, width, height, size]) => {{
  {HELPERS}
  const {{ resize }} = await import("./resize.js");
  return textOf(resize(bytesOf(rgba), width, height, size));
}}"""

LATENCIES = """async ([names, rounds]) => {
  const { Picture } = await import("./picture.js");
  const picture = new Picture(new OffscreenCanvas(480, 352), 480, 352);
  const times = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const name of names) times[name].push((await segmenter.run(picture, name)).latencyMs);
  }
  return times;
}"""


@pytest.fixture(scope="module")
def tiny_page(opened: Opened, tiny_bundle: Path) -> Iterator[Page]:
    """A page whose `segmenter` runs the tiny bundle; its controls are for no test to touch."""
    with opened(tiny_bundle) as page:
        page.evaluate(OPEN)
        yield page


def png(image: np.ndarray, folder: Path) -> bytes:
    Image.fromarray(image).save(folder / "picture.png")
    return (folder / "picture.png").read_bytes()


def agreement(found: dict[str, Any], right: Result) -> float:
    """Share of pixels of the same class; the confidence is checked on the way."""
    assert abs(found["confidence"] - right.confidence) <= 1 / 255 + 1e-9
    assert found["tier"] == right.tier
    return float((array_of(found["mask"], *right.mask.shape) == right.mask).mean())


def check_all(page: Page, segmenter: Segmenter, picture: bytes, what: str) -> None:
    """Every signature, stages included, gives Python's mask; prints the smallest share."""
    found = page.evaluate(ALL_TIERS, text_of(picture))
    image = load_image(picture)
    shares = {
        tier: agreement(found["tiers"][tier], segmenter(image, tier, native=True))
        for tier in segmenter.tiers
    }
    for configuration, result in found["chains"].items():
        right = segmenter.adaptive(image, configuration, threshold=1, native=True)
        shares[f"{configuration}, chained"] = agreement(result, right)
        for step, right_step in zip(result["steps"], right.steps, strict=True):
            assert step["tier"] == right_step.tier
            assert abs(step["confidence"] - right_step.confidence) <= 1 / 255 + 1e-9
    worst = min(shares, key=lambda name: shares[name])
    said = f"smallest agreement {shares[worst]:.4%} ({worst})"
    sys.stdout.write(f"{what}: {len(shares)} masks, {said}\n")
    assert set(found["chains"]) == {
        segmenter.info(tier).configuration
        for tier in segmenter.tiers
        if segmenter.info(tier).stages
    }
    assert shares[worst] >= AGREEMENT


@pytest.mark.parametrize(
    ("height", "width", "size"),
    [
        (48, 64, (48, 64)),
        (30, 20, (48, 64)),
        (97, 131, (48, 64)),
        (48, 131, (48, 64)),
        (97, 64, (48, 64)),
        (480, 640, (352, 480)),
        (191, 255, (48, 64)),
        (192, 256, (48, 64)),
        (601, 903, (48, 64)),
        (1080, 1920, (352, 480)),
        (3000, 40, (24, 32)),
        (150, 42, (90, 28)),
        (60, 162, (29, 146)),
        (700, 66, (48, 64)),
        (1, 1, (24, 32)),
    ],
)
def test_pixels_are_resized_as_pillow_does(
    height: int, width: int, size: tuple[int, int], tiny_page: Page
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    rgba = np.dstack([image, np.full((height, width), 255, np.uint8)])
    given = [text_of(rgba.tobytes()), width, height, list(size)]
    found = array_of(tiny_page.evaluate(RESIZE, given), *size, 3)
    np.testing.assert_array_equal(found, resized(image, size))


@pytest.mark.parametrize("name", ["scene", "stripes", "large", "noise"])
def test_every_signature_of_a_tiny_bundle_agrees_with_python(
    name: str, tiny_page: Page, tiny_segmenter: Segmenter, tmp_path: Path
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (70, 90, 3), np.uint8)
    image = {
        "scene": scene(),
        "stripes": stripes(4),
        "large": np.roll(scene(333, 517), (40, 77), (0, 1)),
        "noise": noise,
    }[name]
    check_all(tiny_page, tiny_segmenter, png(image, tmp_path), f"tiny bundle, {name}")


def test_every_signature_of_a_shipped_bundle_agrees_with_python(
    opened: Opened, tmp_path: Path
) -> None:
    segmenter = Segmenter(SHIPPED, warm_up="none")
    sample = Image.open(ASSETS / "samples" / "street_scenes_0.jpg")
    sample.resize((1111, 777)).save(tmp_path / "sample.jpg", quality=90)
    with opened(SHIPPED) as page:
        page.evaluate(OPEN)
        content = (tmp_path / "sample.jpg").read_bytes()
        check_all(page, segmenter, content, f"{SHIPPED.name}, a JPEG of 777 × 1111")


@pytest.mark.parametrize("clear", EXITS)
@pytest.mark.parametrize("threshold", [None, 0.3, 0.75, 0.97])
def test_adaptive_leaves_where_python_does(
    clear: str,
    threshold: float | None,
    tiny_page: Page,
    tiny_segmenter: Segmenter,
    tmp_path: Path,
) -> None:
    picture = png(clear_from(clear), tmp_path)
    found = tiny_page.evaluate(ADAPTIVE, [text_of(picture), threshold])
    right = tiny_segmenter.adaptive(load_image(picture), threshold=threshold, native=True)
    assert [step["tier"] for step in found["steps"]] == [step.tier for step in right.steps]
    assert agreement(found, right) >= AGREEMENT
    if threshold is None:
        assert found["tier"] == clear


def test_a_plain_model_runs_by_its_names_alone(
    opened: Opened, tiny_model_bytes: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "plain.tflite"
    path.write_bytes(tiny_model_bytes)
    segmenter = Segmenter(path, threads=1, warm_up="none")
    with opened(path) as page:
        expect(page.locator("#about-bundle")).to_contain_text("no metadata")
        page.evaluate(OPEN)
        check_all(page, segmenter, png(scene(), tmp_path), "tiny model without metadata")


def test_heavier_tiers_take_longer(opened: Opened) -> None:
    """Prints each tier's fastest of some runs on one thread, in the browser and in Python."""
    segmenter = Segmenter(CAMVID, threads=1, warm_up="load")
    rounds = 7
    with opened(CAMVID) as page:
        page.evaluate(OPEN, {"threads": 1})
        assert page.evaluate("() => segmenter.threads") == 1
        times = page.evaluate(LATENCIES, [list(segmenter.tiers), rounds])
    black = np.zeros((352, 480, 3), np.uint8)
    for tier in segmenter.tiers:
        python = min(segmenter(black, tier).latency_ms for _ in range(rounds))
        sys.stdout.write(f"{tier}: {min(times[tier]):.1f} ms, Python {python:.1f} ms\n")
    assert min(times["light"]) < min(times["balanced"]) < min(times["heavy"])
