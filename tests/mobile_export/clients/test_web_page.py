"""The web client's page in headless Chromium: its controls, and what goes wrong."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route, expect

from mobile_export.runtime import Bundle, Segmenter, load_image
from mobile_export.runtime.image_io import resized_mask
from mobile_export.runtime.labels import palette
from tests.mobile_export.clients.conftest import Opened
from tests.mobile_export.clients.page_bytes import HELPERS, array_of, text_of
from tests.tiny_bundle import TIERS, clear_from, packed, scene, tiny_metadata

pytestmark = pytest.mark.clients

AGREEMENT = 0.99

MASK_COLORS = f"""() => {{
  {HELPERS}
  const canvas = document.getElementById("mask");
  const {{ width, height }} = canvas;
  const image = canvas.getContext("2d").getImageData(0, 0, width, height);
  return [width, height, textOf(image.data)];
}}"""


def shown(page: Page) -> np.ndarray:
    """The mask as it is drawn, uint8 `(height, width, 4)`."""
    width, height, pixels = page.evaluate(MASK_COLORS)
    return array_of(pixels, height, width, 4)


def ran(page: Page, tier: str) -> None:
    expect(page.locator("#about-run")).to_have_text(re.compile(rf"^(left at )?{tier} ·"))


def show(page: Page, path: Path, width: int) -> None:
    """Opens a picture, and waits until its mask is drawn, `width` pixels wide."""
    page.set_input_files("#picture-file", path)
    page.wait_for_function("width => document.getElementById('mask').width === width", arg=width)


def line(page: Page, topic: str) -> str:
    """The one line of a topic."""
    found = page.locator(f'#notices [data-topic="{topic}"] span')
    expect(found).to_be_visible()
    return found.inner_text()


def test_the_tables_tiers_switch_the_mask(
    opened: Opened, tiny_bundle: Path, tiny_segmenter: Segmenter, street: Path
) -> None:
    image = load_image(street)
    colors = palette(tiny_segmenter.labels)
    drawn = {}
    with opened(tiny_bundle) as page:
        show(page, street, 128)
        for tier in TIERS:
            page.locator(f'input[name=tier][value="{tier}"]').check()
            ran(page, tier)
            expect(page.locator(f'tr[data-tier="{tier}"] .here')).to_have_text(re.compile(r"\d"))
            drawn[tier] = shown(page)
            right = tiny_segmenter(image, tier)
            same = (drawn[tier][..., :3] == colors[right.mask]).all(-1).mean()
            assert same >= AGREEMENT, tier
            share = next(iter(right.shares().values()))
            chip = page.locator("#legend li").first
            expect(chip).to_contain_text(f"{round(100 * share)} %")
        expect(page.locator('tr[data-tier="medium"]')).to_contain_text("62.0")
        assert not np.array_equal(drawn["light"], drawn["heavy"])
        page.locator("#opacity").fill("0.25")
        expect(page.locator("#mask")).to_have_css("opacity", "0.25")


def test_the_pointer_and_the_arrow_keys_tell_the_class(
    opened: Opened, tiny_bundle: Path, tmp_path: Path
) -> None:
    Image.fromarray(scene(96, 128)).save(tmp_path / "scene.png")
    with opened(tiny_bundle) as page:
        show(page, tmp_path / "scene.png", 128)
        expect(page.locator("#legend li").first).to_contain_text("25 %")
        box = page.locator("#stage").bounding_box()
        assert box is not None
        tip = page.locator("#tip")
        for x, y, name in [(-60, -60, "brick"), (60, -60, "grass"), (-60, 60, "water")]:
            page.mouse.move(box["x"] + box["width"] / 2 + x, box["y"] + box["height"] / 2 + y)
            expect(tip).to_have_text(name)
        page.mouse.move(1, 1)
        expect(tip).to_be_hidden()
        page.locator("#stage").focus()
        for key in ("Shift+ArrowRight", "Shift+ArrowDown"):
            page.keyboard.press(key)
        expect(tip).to_have_text("snow")
        for _ in range(2):
            page.keyboard.press("Shift+ArrowLeft")
        expect(tip).to_have_text("water")
        page.keyboard.press("Escape")
        expect(tip).to_be_hidden()


def test_the_page_leaves_at_the_exit_that_is_sure(
    opened: Opened, tiny_bundle: Path, tmp_path: Path
) -> None:
    Image.fromarray(clear_from("heavy_exit2")).save(tmp_path / "stripes.png")
    with opened(tiny_bundle) as page:
        show(page, tmp_path / "stripes.png", 64)
        page.get_by_text("As far as needed").click()
        ran(page, "heavy_exit2")
        expect(page.locator("#exits .left")).to_contain_text("heavy_exit2")
        expect(page.locator("#exits .ahead")).to_contain_text("not run")
        page.get_by_label("each exit's own threshold").uncheck()
        page.locator("#threshold").fill("0")
        ran(page, "heavy_exit1")
        page.locator("#threshold").fill("1")
        expect(page.locator("#exits li").first).to_contain_text("of 100.0 %")
        page.get_by_text("One tier").click()
        ran(page, "heavy")


def test_tiers_switch_while_the_camera_runs(opened: Opened, tiny_bundle: Path) -> None:
    with opened(tiny_bundle, camera=True) as page:
        page.evaluate(
            "() => { window.seen = [];"
            "document.addEventListener('segmented', ({ detail }) => seen.push(detail.tier)); }"
        )
        page.locator("#camera").click()
        for tier in ("light", "heavy", "light_24x32"):
            page.locator(f'input[name=tier][value="{tier}"]').check()
            page.evaluate("() => { window.seen = []; }")
            page.wait_for_function("tier => seen.filter((it) => it === tier).length >= 5", arg=tier)
        expect(page.locator("#about-run")).to_contain_text("frames a second")
        page.get_by_text("As far as needed").click()
        expect(page.locator("#about-run")).to_contain_text("left at")
        page.locator("#camera").click()
        expect(page.locator("#camera")).to_have_attribute("aria-pressed", "false")
        page.wait_for_timeout(300)
        page.evaluate("() => { window.seen = []; }")
        page.wait_for_timeout(300)
        assert page.evaluate("() => seen.length") == 0


def test_files_are_dropped_onto_the_page(opened: Opened, tiny_bundle: Path, street: Path) -> None:
    drop = f"""([bundle, picture]) => {{
      {HELPERS}
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytesOf(bundle)], "dropped.tflite"));
      transfer.items.add(new File([bytesOf(picture)], "dropped.png"));
      dispatchEvent(new DragEvent("drop", {{ dataTransfer: transfer, cancelable: true }}));
    }}"""
    with opened(None) as page:
        page.evaluate(drop, [text_of(tiny_bundle.read_bytes()), text_of(street.read_bytes())])
        expect(page.locator("#about-bundle")).to_contain_text("6 tiers")
        ran(page, "heavy")
        page.wait_for_function("() => document.getElementById('mask').width === 128")


# === What goes wrong ===


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x40]) + content[place + 1 :]


def damages(model: bytes) -> dict[str, tuple[bytes, str]]:
    """Files that are no whole bundle, and what the page's line says."""
    whole = packed(model, tiny_metadata(model))
    wrong_label = {**tiny_metadata(model), "labels": [{"id": 0, "name": "sky"}]}
    other_tier = tiny_metadata(model)
    other_tier["tiers"][0]["signature"] = "feather"
    return {
        "flipped model": (
            _flipped(whole, len(model) // 2),
            "is damaged: its model has another sha",
        ),
        "flipped metadata": (_flipped(whole, len(model) + 80), "is damaged: the zip"),
        "cut metadata": (whole[:-200], "the file ends too early"),
        "cut model": (model[: len(model) // 2], "cannot run on wasm"),
        "text": (b"this is no model, this is a text", "is not a bundle"),
        "nothing": (b"", "is not a bundle"),
        "no object": (packed(model, [1, 2]), "it holds no JSON object"),
        "label": (packed(model, wrong_label), "has a wrong label"),
        "tier": (packed(model, other_tier), "lists a tier that the model lacks"),
    }


def test_damaged_bundles_are_said_in_one_line(
    opened: Opened, tiny_bundle: Path, tiny_model_bytes: bytes, tmp_path: Path
) -> None:
    with opened(tiny_bundle) as page:
        for name, (content, expected) in damages(tiny_model_bytes).items():
            (tmp_path / "given.tflite").write_bytes(content)
            page.set_input_files("#bundle-file", tmp_path / "given.tflite")
            expect(page.locator('[data-topic="bundle"] span')).to_contain_text(expected)
            said = line(page, "bundle")
            assert "given.tflite" in said, name
            assert "\n" not in said, name
            page.get_by_label("Dismiss").click()
        # The bundle that was open stays.
        page.locator('input[name=tier][value="light"]').check()
        ran(page, "light")
        page.set_input_files("#bundle-file", tiny_bundle)
        expect(page.locator("#notices p")).to_have_count(0)


def test_packed_metadata_is_read(opened: Opened, tiny_model_bytes: bytes, tmp_path: Path) -> None:
    stream = io.BytesIO(tiny_model_bytes)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.txt", "another entry")
        archive.writestr("metadata.json", json.dumps(tiny_metadata(tiny_model_bytes)))
    path = tmp_path / "deflated.tflite"
    path.write_bytes(stream.getvalue())
    assert Bundle.open(path).metadata
    with opened(path) as page:
        expect(page.locator("#about-bundle")).to_contain_text("tiny")
        expect(page.locator("#tiers tr")).to_have_count(len(TIERS))


def test_a_file_that_is_no_picture_is_said_in_one_line(
    opened: Opened, tiny_bundle: Path, street: Path, tmp_path: Path
) -> None:
    (tmp_path / "notes.jpg").write_text("no picture")
    with opened(tiny_bundle) as page:
        page.set_input_files("#picture-file", tmp_path / "notes.jpg")
        assert line(page, "picture").startswith("notes.jpg is no picture")
        page.set_input_files("#picture-file", street)
        expect(page.locator("#notices p")).to_have_count(0)


def test_a_very_large_photo_is_shrunk_and_segmented(
    opened: Opened, tiny_bundle: Path, tiny_segmenter: Segmenter, tmp_path: Path
) -> None:
    small = Image.fromarray(np.roll(scene(96, 128), (6, 10), (0, 1)))
    small.resize((8192, 6144), Image.Resampling.NEAREST).save(tmp_path / "photo.jpg", quality=60)
    with opened(tiny_bundle) as page:
        show(page, tmp_path / "photo.jpg", 2048)
        said = line(page, "picture")
        assert said == "photo.jpg has 8192 × 6144 pixels; it was shrunk to 4000 × 3000."
        right = tiny_segmenter(np.asarray(small), "heavy", native=True).mask
        colors = palette(tiny_segmenter.labels)[resized_mask(right, (1536, 2048))]
        assert (shown(page)[..., :3] == colors).all(-1).mean() >= 0.98


def test_an_absent_accelerator_is_said_and_wasm_goes_on(opened: Opened, tiny_bundle: Path) -> None:
    with opened(tiny_bundle, "?accelerator=webgpu") as page:
        assert line(page, "accelerator") == (
            "This browser has no webgpu, only wasm. It goes on with wasm."
        )
        expect(page.locator("#accelerator")).to_have_value("wasm")
        ran(page, "heavy")


def test_an_accelerator_that_cannot_run_the_bundle_is_said_and_wasm_goes_on(
    opened: Opened, tiny_bundle: Path
) -> None:
    def pretend(route: Route) -> None:
        body = route.fetch().text()
        assert "getWebGpuDevice() ?" in body
        route.fulfill(
            body=body.replace("getWebGpuDevice() ?", "true ?"), content_type="text/javascript"
        )

    with opened(tiny_bundle) as page:
        page.route("**/runtime.js", pretend)
        page.goto(page.url + "?accelerator=webgpu")
        page.wait_for_selector("body.ready")
        said = line(page, "accelerator")
        assert said.startswith("tiny.tflite cannot run on webgpu: ")
        assert said.endswith("It goes on with wasm.")
        ran(page, "heavy")


def test_a_refused_camera_is_said_in_one_line(opened: Opened, tiny_bundle: Path) -> None:
    with opened(tiny_bundle) as page:
        page.locator("#camera").click()
        assert line(page, "camera").startswith("The camera was refused")
        expect(page.locator("#camera")).to_have_attribute("aria-pressed", "false")
        ran(page, "heavy")


def test_a_bundle_that_is_not_there_is_said_in_one_line(opened: Opened) -> None:
    with opened(None, "?bundle=missing.tflite") as page:
        assert line(page, "bundle") == "There is no bundle at missing.tflite."
