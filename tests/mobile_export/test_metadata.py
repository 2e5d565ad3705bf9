"""What a bundle says of itself is true, complete and replaced at once."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

import kit
from mobile_export.metadata import add_figures, append, describe, digest, versions, with_figures
from mobile_export.runtime import Bundle, TiersegError
from tests.mobile_export.blocks import CLASSES, CONFIGURATIONS
from tests.mobile_export.conftest import Made

IMAGE = np.zeros((2, 3, 3), np.uint8)


def described(network: kit.AdaptiveUNet, **changes: object) -> dict:
    options = {
        "name": "blocks",
        "release": "1",
        "labels": CLASSES,
        "default_tier": None,
        "pixel_threshold": 0.5,
        "images": [IMAGE],
    }
    return describe(network, network.tiers, **{**options, **changes})


def test_it_says_what_the_network_is(network: kit.AdaptiveUNet) -> None:
    content = described(network)
    assert content["image"] == {"height": 64, "width": 64, "order": "RGB", "range": [0, 255]}
    assert content["labels"][1] == {"id": 1, "name": "brick", "color": [220, 60, 50]}
    assert content["default_tier"] == "heavy"
    assert content["training"]["recipe"] == "fitted heads"
    assert content["calibration"] == {"count": 1, "sha256": digest([IMAGE])}
    assert [tier["name"] for tier in content["tiers"]] == list(CONFIGURATIONS)
    for tier in content["tiers"]:
        profile = network.profile(tier["name"])
        assert (tier["parameters"], tier["macs"]) == (profile.parameters, profile.macs)
        assert tier["thresholds"] == {"pixel": 0.5}
        assert tier["input_size"] == [64, 64]


def test_what_was_not_measured_is_absent(network: kit.AdaptiveUNet) -> None:
    for tier in described(network)["tiers"]:
        assert not {"miou", "dice", "latency_ms"} & set(tier)


def test_a_licence_is_told_where_it_was_given(network: kit.AdaptiveUNet) -> None:
    assert "license" not in described(network)
    assert described(network, license="CC0-1.0")["license"] == "CC0-1.0"


def test_labels_may_come_from_the_network(network: kit.AdaptiveUNet) -> None:
    labels = [{"id": 0, "name": "all", "color": [1, 2, 3]}]
    kept = dict(network.training_record)
    network.training_record["labels"] = labels
    try:
        content = described(network, labels=None)
    finally:
        network.training_record.clear()
        network.training_record.update(kept)
    assert content["labels"] == labels
    assert "labels" not in content["training"]
    assert described(network, labels=None)["labels"] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": CLASSES[:2]}, "`labels` must be 5, one for each class of the network; got 2"),
        (
            {"default_tier": "fast"},
            "`default_tier` must be one of light, medium, heavy; got 'fast'",
        ),
    ],
)
def test_wrong_arguments_are_named(network: kit.AdaptiveUNet, changes: dict, message: str) -> None:
    with pytest.raises(TiersegError, match=message):
        described(network, **changes)


def test_the_zip_can_be_read_by_anyone(made: Made) -> None:
    with zipfile.ZipFile(made.path) as archive:
        assert archive.namelist() == ["metadata.json"]
        content = json.loads(archive.read("metadata.json"))
    assert content == made.result.manifest | {"sha256": content["sha256"]}
    assert content["sha256"] == hashlib.sha256(made.model).hexdigest()
    assert made.path.read_bytes().startswith(made.model)


def test_equal_content_is_equal_bytes() -> None:
    content = {"name": "a", "version": "1", "tiers": []}
    assert append(b"model", content) == append(b"model", dict(content))
    assert append(b"model", content) != append(b"other", content)
    with zipfile.ZipFile(io.BytesIO(append(b"model", content))) as archive:
        assert list(json.loads(archive.read("metadata.json")))[:3] == ["name", "version", "sha256"]


def test_figures_are_added_and_the_model_stays(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "copy.tflite"
    path.write_bytes(made.path.read_bytes())
    add_figures(path, {"light": {"miou": 0.25}})
    add_figures(path, {"light": {"latency_ms": 1.5}})
    bundle = Bundle.open(path)
    assert bundle.model_bytes == made.model
    light, medium, _ = bundle.metadata["tiers"]
    assert (light["miou"], light["latency_ms"]) == (0.25, 1.5)
    assert "latency_ms" not in medium
    assert [entry.name for entry in tmp_path.iterdir()] == ["copy.tflite"]


def test_figures_of_an_unknown_tier_leave_the_file(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "copy.tflite"
    path.write_bytes(made.path.read_bytes())
    with pytest.raises(TiersegError, match="`figures` must be of light, medium, heavy; got 'fast'"):
        add_figures(path, {"fast": {"miou": 1}})
    assert path.read_bytes() == made.path.read_bytes()


def test_figures_need_metadata(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "bare.tflite"
    path.write_bytes(made.model)
    with pytest.raises(TiersegError, match=r"bare\.tflite must be a bundle with metadata\.json"):
        add_figures(path, {})


def test_with_figures_does_not_change_what_it_was_given() -> None:
    before = {"tiers": [{"name": "light"}]}
    assert with_figures(before, {"light": {"miou": 1}})["tiers"] == [{"name": "light", "miou": 1}]
    assert before == {"tiers": [{"name": "light"}]}


def test_the_digest_tells_images_apart() -> None:
    other = IMAGE.copy()
    other[0, 0, 0] = 1
    digests = {
        digest([IMAGE]),
        digest([other]),
        digest([IMAGE, IMAGE]),
        digest([IMAGE.reshape(3, 2, 3)]),
    }
    assert len(digests) == 4


def test_versions_name_what_made_the_file() -> None:
    assert {"python", "tensorflow", "keras", "ai-edge-litert"} <= set(versions())
