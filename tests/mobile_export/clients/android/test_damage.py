"""The Kotlin library refuses the files that the Python runtime refuses, in one line."""

import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mobile_export.runtime import Bundle, Segmenter
from mobile_export.runtime.errors import TiersegError
from tests.mobile_export.clients.android.kotlin_program import ask
from tests.tiny_bundle import packed, tiny_metadata

pytestmark = pytest.mark.clients

_EXPECTED = ("expected ", " must ")
_GOT = ("got ", "got: ")


def _with(change: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], bytes]:
    """The model with other metadata."""

    def build(model: bytes) -> bytes:
        metadata = tiny_metadata(model)
        return packed(model, change(metadata) or metadata)

    return build


def _zipped(model: bytes, text: bytes, name: str = "metadata.json", method: int = 8) -> bytes:
    stream = io.BytesIO(model)
    stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream, "a", method) as archive:
        archive.writestr(name, text)
    return stream.getvalue()


def _text(model: bytes) -> bytes:
    return json.dumps(tiny_metadata(model)).encode()


WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda model: packed(model, tiny_metadata(model)),
    "deflated": lambda model: _zipped(model, _text(model)),
    "with a second file": lambda model: _zipped(
        _zipped(model, _text(model)), b"# a card", "README.md"
    ),
    "named in another language": _with(
        lambda metadata: metadata["labels"][0].update(name='größe "1" \\ 雪 \U0001f600\n')
    ),
    "with a zip comment": lambda model: _commented(packed(model, tiny_metadata(model))),
    "without labels": _with(lambda metadata: metadata.pop("labels") and None),
    "without default tier": _with(lambda metadata: metadata.pop("default_tier") and None),
}
DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda model: b"",
    "text": lambda model: b"not a model at all",
    "half": lambda model: packed(model, tiny_metadata(model))[: len(model) // 2],
    "zip cut": lambda model: packed(model, tiny_metadata(model))[:-30],
    "end record cut": lambda model: packed(model, tiny_metadata(model))[:-1],
    "weights changed": lambda model: packed(_flipped(model, 5000), tiny_metadata(model)),
    "bytes missing in the middle": lambda model: _cut(packed(model, tiny_metadata(model))),
    "no JSON": lambda model: _zipped(model, b'{"tiers": [}'),
    "JSON that goes on": lambda model: _zipped(model, _text(model) + b"x"),
    "no UTF-8": lambda model: _zipped(model, _text(model).replace(b"brick", b"br\xffck")),
    "a list": lambda model: packed(model, [1, 2]),
    "no checksum": _with(lambda metadata: metadata.pop("sha256") and None),
    "label too large": _with(lambda metadata: metadata["labels"][1].update(id=256)),
    "label without colour": _with(lambda metadata: metadata["labels"][1].pop("color") and None),
    "colour of two": _with(lambda metadata: metadata["labels"][1].update(color=[1, 2])),
    "no tiers": _with(lambda metadata: metadata.update(tiers=[])),
    "tier that is a text": _with(lambda metadata: metadata.update(tiers=["light"])),
    "exit zero": _with(lambda metadata: metadata["tiers"][3].update(exit=0)),
    "exit a text": _with(lambda metadata: metadata["tiers"][3].update(exit="1")),
    "stages a text": _with(lambda metadata: metadata["tiers"][3].update(stages="heavy_stage1")),
    "stages of numbers": _with(lambda metadata: metadata["tiers"][3].update(stages=[1])),
    "stages in disorder": _with(
        lambda metadata: metadata["tiers"][4].update(stages=["heavy_stage2", "heavy_stage1"])
    ),
    "threshold of two": _with(
        lambda metadata: metadata["tiers"][3].update(thresholds={"image": 2})
    ),
    "thresholds a number": _with(lambda metadata: metadata["tiers"][3].update(thresholds=0.5)),
    "configuration a number": _with(lambda metadata: metadata["tiers"][3].update(configuration=1)),
    "default unknown": _with(lambda metadata: metadata.update(default_tier="best")),
}
FLIPS = 150


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def _cut(content: bytes) -> bytes:
    return content[:9000] + content[9300:]


def _commented(content: bytes) -> bytes:
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = b"made for a test"
    return stream.getvalue()


@pytest.fixture(scope="module")
def files(tiny_model_bytes: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every file, by what was done to it."""
    folder = tmp_path_factory.mktemp("damage")
    contents = {name: build(tiny_model_bytes) for name, build in (WHOLE | DAMAGED).items()}
    contents["no metadata"] = tiny_model_bytes
    contents["nested without end"] = _zipped(tiny_model_bytes, b"[" * 100_000)
    contents["another zip"] = _zipped(tiny_model_bytes, b"{}", "other.json")
    whole = contents["as it is"]
    places = random.Random(0).sample(range(len(whole)), FLIPS)
    places += range(len(tiny_model_bytes), len(tiny_model_bytes) + 60)
    places += range(len(whole) - 90, len(whole))
    contents |= {f"byte {place}": _flipped(whole, place) for place in places}
    paths = {}
    for number, (name, content) in enumerate(contents.items()):
        paths[name] = folder / f"{number}.tflite"
        paths[name].write_bytes(content)
    return paths


@pytest.fixture(scope="module")
def answers(
    files: dict[str, Path], contract_jar: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    questions = {"bundles": [{"path": str(path)} for path in files.values()]}
    found = ask(contract_jar, tmp_path_factory.mktemp("report"), questions)
    return dict(zip(files, found["bundles"], strict=True))


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_are_read(name: str, files: Any, answers: Any) -> None:
    bundle = Bundle.open(files[name])
    assert "error" not in answers[name], answers[name]
    assert answers[name]["model_bytes"] == len(bundle.model_bytes)
    assert [item[1] for item in answers[name]["labels"]] == [item.name for item in bundle.labels]


@pytest.mark.parametrize("name", DAMAGED)
def test_what_python_refuses_is_refused(name: str, files: Any, answers: Any) -> None:
    with pytest.raises(TiersegError):
        Segmenter(files[name], warm_up="none")
    message = answers[name]["error"]
    assert message.startswith(str(files[name]))
    assert "\n" not in message
    assert any(word in message for word in _EXPECTED), message
    assert any(word in message for word in _GOT), message


@pytest.mark.parametrize("name", ["no metadata", "another zip"])
def test_a_bundle_without_metadata_is_refused(name: str, files: Any, answers: Any) -> None:
    assert Bundle.open(files[name]).metadata is None
    assert answers[name]["error"] == (
        f"{files[name]} must be a bundle with metadata.json in a zip at its end, "
        "as `tierseg export` writes it; got a `.tflite` without"
    )


def test_metadata_nested_without_end_is_refused(answers: Any) -> None:
    assert "expected no more than 100 levels" in answers["nested without end"]["error"]


def test_a_missing_file_is_named(contract_jar: Path, tmp_path: Path) -> None:
    path = tmp_path / "no_such.tflite"
    answer = ask(contract_jar, tmp_path, {"bundles": [{"path": str(path)}]})["bundles"][0]
    assert answer["error"].startswith(f"{path} must be a bundle (`.tflite`); got ")


def test_no_changed_byte_passes_that_python_refuses(files: Any, answers: Any) -> None:
    """The Kotlin reader may be stricter, with the sizes in a zip's list of files, but not laxer."""
    refused = 0
    for name in files:
        if not name.startswith("byte "):
            continue
        try:
            is_whole = Bundle.open(files[name]).metadata is not None
        except TiersegError:
            is_whole = False
        refused += not is_whole
        assert is_whole or "error" in answers[name], name
        if is_whole and "error" in answers[name]:
            assert "expected metadata.json in a zip at its end" in answers[name]["error"]
    assert refused > FLIPS
