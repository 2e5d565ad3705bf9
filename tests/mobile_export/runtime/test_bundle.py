"""Bundles on disk: whole, damaged, foreign, and without metadata."""

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_export.runtime import Bundle, Label, Segmenter, TiersegError
from tests.tiny_bundle import COLORS, NAMES, TIERS, packed, tiny_metadata


@pytest.fixture
def content(tiny_bundle: Path) -> bytes:
    return tiny_bundle.read_bytes()


def test_open_splits_the_model_from_its_metadata(
    tiny_bundle: Path, tiny_model_bytes: bytes
) -> None:
    bundle = Bundle.open(tiny_bundle)
    assert bundle.name == str(tiny_bundle)
    assert bundle.model_bytes == tiny_model_bytes
    assert bundle.metadata == tiny_metadata(tiny_model_bytes)
    assert bundle.labels[1] == Label(1, NAMES[1], COLORS[1])


def test_signatures_hold_tiers_and_stages(tiny_bundle: Path) -> None:
    signatures = Bundle.open(tiny_bundle).signatures
    assert {name for name, found in signatures.items() if found.is_tier} == set(TIERS)
    assert set(signatures["heavy_stage1"].outputs) == {"mask", "confidence", "state_1", "state_2"}
    assert str(signatures["light"].inputs["image"]) == "uint8 (1, 48, 64, 3)"


def test_a_bundle_is_immutable(tiny_bundle: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Bundle.open(tiny_bundle).name = "other"  # type: ignore[misc]


def test_a_model_without_metadata_is_a_bundle(tiny_model_bytes: bytes) -> None:
    bundle = Bundle.from_bytes(tiny_model_bytes)
    assert bundle.metadata is None
    assert bundle.labels == ()
    assert bundle.model_bytes == tiny_model_bytes


def test_a_zip_of_other_files_is_no_metadata(tiny_model_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "labelled.tflite"
    path.write_bytes(tiny_model_bytes)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels.txt", "road")
    assert Bundle.open(path).metadata is None
    assert set(Segmenter(path, warm_up="none").tiers) == set(TIERS)


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_one_changed_byte_of_the_model_is_found(
    content: bytes, tiny_model_bytes: bytes, place: float
) -> None:
    damaged = bytearray(content)
    damaged[int(place * len(tiny_model_bytes))] ^= 0x10
    with pytest.raises(TiersegError, match=r"x\.tflite is corrupt; expected sha256 \w+ as .*, got"):
        Bundle.from_bytes(bytes(damaged), "x.tflite")


def _in_metadata(content: bytes) -> int:
    return content.rindex(b'"sha256"')


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "metadata changed": lambda c: c[: _in_metadata(c)] + b"X" + c[_in_metadata(c) + 1 :],
    "end cut off": lambda c: c[:-10],
    "cut within the metadata": lambda c: c[: _in_metadata(c)],
    "directory zeroed": lambda c: c[:-120] + bytes(100) + c[-20:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_zip_is_corrupt(content: bytes, damage: str) -> None:
    with pytest.raises(TiersegError, match=r"x\.tflite is corrupt; expected metadata\.json in"):
        Bundle.from_bytes(DAMAGES[damage](content), "x.tflite")


def test_damage_of_a_compressed_zip_is_corrupt(tiny_model_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.tflite"
    path.write_bytes(tiny_model_bytes)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", json.dumps(tiny_metadata(tiny_model_bytes)))
    assert Bundle.open(path).metadata is not None
    damaged = bytearray(path.read_bytes())
    for place in range(len(tiny_model_bytes) + 50, len(tiny_model_bytes) + 60):
        damaged[place] ^= 0xFF
    with pytest.raises(TiersegError, match=r"x\.tflite is corrupt; expected metadata\.json in"):
        Bundle.from_bytes(bytes(damaged), "x.tflite")


def test_a_model_cut_in_half_is_corrupt(tiny_model_bytes: bytes) -> None:
    half = Bundle.from_bytes(tiny_model_bytes[: len(tiny_model_bytes) // 2], "half.tflite")
    with pytest.raises(TiersegError, match=r"half\.tflite is corrupt; expected a whole"):
        Segmenter(half)


@pytest.mark.parametrize("bytes_given", [b"", b"\x89PNG\r\n\x1a\n" + bytes(40), b"PK\x03\x04 zip"])
def test_what_is_no_tflite_is_refused(tmp_path: Path, bytes_given: bytes) -> None:
    path = tmp_path / "picture.tflite"
    path.write_bytes(bytes_given)
    with pytest.raises(
        TiersegError, match=r"picture\.tflite is not a bundle; expected a `\.tflite"
    ):
        Bundle.open(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TiersegError, match=r"gone\.tflite must be a bundle .*got no such file"):
        Bundle.open(tmp_path / "gone.tflite")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TiersegError, match=r"must be a bundle .*got a folder"):
        Bundle.open(tmp_path)


@pytest.mark.parametrize("metadata", [["no object"], 7])
def test_metadata_must_be_an_object(tiny_model_bytes: bytes, metadata: Any) -> None:
    kind = type(metadata).__name__
    with pytest.raises(TiersegError, match=f"expected a JSON object in metadata.json, got {kind}"):
        Bundle.from_bytes(packed(tiny_model_bytes, metadata))


@pytest.mark.parametrize("text", ["{" + 20 * "x", "[" * 100_000], ids=["cut", "nested"])
def test_metadata_must_be_json(tiny_model_bytes: bytes, tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.tflite"
    path.write_bytes(tiny_model_bytes)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("metadata.json", text)
    with pytest.raises(TiersegError, match=r"bad\.tflite is corrupt; expected JSON in metadata"):
        Bundle.open(path)


def test_metadata_without_a_checksum_is_refused(tiny_model_bytes: bytes) -> None:
    metadata = tiny_metadata(tiny_model_bytes)
    del metadata["sha256"]
    with pytest.raises(TiersegError, match="is corrupt; expected sha256 None"):
        Bundle.from_bytes(packed(tiny_model_bytes, metadata))


@pytest.mark.parametrize(
    "label",
    [
        {"id": 0, "name": "road"},
        {"id": 0, "name": "road", "color": [1, 2]},
        {"id": 0, "name": "road", "color": [1, 2, 256]},
        {"id": -1, "name": "road", "color": [1, 2, 3]},
        "road",
    ],
)
def test_a_wrong_label_is_refused(tiny_model_bytes: bytes, label: Any) -> None:
    metadata = {**tiny_metadata(tiny_model_bytes), "labels": [label]}
    with pytest.raises(TiersegError, match=r"wrong label in metadata\.json; expected id, name and"):
        Bundle.from_bytes(packed(tiny_model_bytes, metadata))


def _model(outputs: dict[str, Any], signature: str) -> bytes:
    """A float model of one signature whose outputs are made from the image's mean."""
    import tensorflow as tf

    def call(image: Any) -> dict[str, Any]:
        mean = tf.reduce_mean(image, -1)
        return {name: cast(mean) for name, cast in outputs.items()}

    specification = tf.TensorSpec((1, 4, 4, 3), tf.float32, name="image")
    function = tf.function(call, input_signature=[specification]).get_concrete_function()
    module = tf.Module()
    module.function = function
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], module)
    return converter.convert()


def test_a_foreign_model_is_refused_with_what_it_is() -> None:
    foreign = Bundle.from_bytes(_model({"scores": lambda mean: mean * 2}, "call"), "foreign.tflite")
    message = (
        r"foreign\.tflite is not a segmentation bundle; expected a signature per tier: "
        r"`image` in, `mask` and `confidence` out, got .*image in, scores out"
    )
    with pytest.raises(TiersegError, match=message):
        Segmenter(foreign)


def test_a_float_interface_is_refused() -> None:
    outputs = {"mask": lambda mean: mean + 1, "confidence": lambda mean: mean[:, 0, 0]}
    bundle = Bundle.from_bytes(_model(outputs, "light"), "float.tflite")
    message = r"input `image` must be uint8 \(1, height, width, 3\), got float32 \(1, 4, 4, 3\)"
    with pytest.raises(TiersegError, match=message):
        Segmenter(bundle)


def test_signature_arrays_have_the_types_of_the_contract(tiny_bundle: Path) -> None:
    for signature in Bundle.open(tiny_bundle).signatures.values():
        tensors = (*signature.inputs.values(), *signature.outputs.values())
        assert {tensor.dtype for tensor in tensors} == {np.dtype(np.uint8)}
