"""Reads a bundle: the `.tflite` model and the metadata that is appended to it."""

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.runtime.labels import Label
from mobile_export.runtime.signature import Signature

METADATA_NAME = "metadata.json"
"""Name of the metadata in the zip at the end of a bundle."""

_LOCAL_HEADER = b"PK\x03\x04"
_LOCAL_HEADER_SIZE = 30


@dataclass(frozen=True)
class Bundle:
    """One bundle, read and checked against its own checksum.

    A `.tflite` without metadata is a bundle too: it then runs with what its signatures tell.

    Args:
        name: file name, for messages and headings.
        model_bytes: the model, without the zip.
        metadata: content of `metadata.json`, or None.
        labels: the classes of its masks; empty without metadata.

    Example:
        bundle = Bundle.open("assets/models/street_scenes.tflite")
        bundle.metadata["default_tier"]
    """

    name: str
    model_bytes: bytes = field(repr=False)
    metadata: Mapping[str, Any] | None = field(repr=False, default=None)
    labels: tuple[Label, ...] = ()

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "Bundle":
        """Reads a bundle from a file.

        Args:
            path: the `.tflite` file.

        Raises:
            TiersegError: there is no such file, it is not a `.tflite`, or it is damaged.
        """
        try:
            content = Path(path).read_bytes()
        except FileNotFoundError:
            raise TiersegError(f"{path} must be a bundle (`.tflite`); got no such file") from None
        except IsADirectoryError:
            raise TiersegError(f"{path} must be a bundle (`.tflite`); got a folder") from None
        return cls.from_bytes(content, str(path))

    @classmethod
    def from_bytes(cls, content: bytes, name: str = "the bundle") -> "Bundle":
        """Reads a bundle from memory.

        Args:
            content: bytes of the whole file.
            name: what messages call it.

        Raises:
            TiersegError: it is not a `.tflite`, or it is damaged.
        """
        if content[4:8] != b"TFL3":
            raise TiersegError(
                f"{name} is not a bundle; expected a `.tflite` model (TFL3 at byte 4), "
                f"got {len(content)} bytes that start with {content[:8]!r}"
            )
        try:
            model_size, text = _read_zip(content)
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            ValueError,
            RuntimeError,
        ) as error:
            raise TiersegError(
                f"{name} is corrupt; expected {METADATA_NAME} in a zip at its end, "
                f"got one that cannot be read: {error}"
            ) from error
        if text is None:
            return cls(name, content)
        model = content[:model_size]
        metadata = _parse(name, text)
        _check_sha256(name, model, metadata)
        return cls(name, model, metadata, _labels(name, metadata))

    @cached_property
    def signatures(self) -> Mapping[str, Signature]:
        """Every signature of the model, by name."""
        return Interpreter(self.model_bytes, name=self.name).signatures


def _read_zip(content: bytes) -> tuple[int, bytes | None]:
    """Size of the model and the metadata's bytes, None where the file carries no metadata."""
    stream = io.BytesIO(content)
    if not zipfile.is_zipfile(stream):
        start = content.rfind(_LOCAL_HEADER)
        name_at = start + _LOCAL_HEADER_SIZE
        if start >= 0 and content[name_at : name_at + len(METADATA_NAME)] == METADATA_NAME.encode():
            raise ValueError("the file ends too early")
        return len(content), None
    with zipfile.ZipFile(stream) as archive:
        if METADATA_NAME not in archive.namelist():
            return len(content), None
        return min(entry.header_offset for entry in archive.infolist()), archive.read(METADATA_NAME)


def _parse(name: str, text: bytes) -> Mapping[str, Any]:
    try:
        metadata = json.loads(text)
    except (ValueError, RecursionError) as error:  # the latter: nested without end
        raise TiersegError(
            f"{name} is corrupt; expected JSON in {METADATA_NAME}, got: {error}"
        ) from error
    if not isinstance(metadata, dict):
        raise TiersegError(
            f"{name} is corrupt; expected a JSON object in {METADATA_NAME}, "
            f"got {type(metadata).__name__}"
        )
    return metadata


def _check_sha256(name: str, model: bytes, metadata: Mapping[str, Any]) -> None:
    expected, actual = metadata.get("sha256"), hashlib.sha256(model).hexdigest()
    if expected != actual:
        raise TiersegError(
            f"{name} is corrupt; expected sha256 {expected} as {METADATA_NAME} says, got {actual}"
        )


def _labels(name: str, metadata: Mapping[str, Any]) -> tuple[Label, ...]:
    labels = []
    for entry in metadata.get("labels", []):
        try:
            red, green, blue = (int(value) for value in entry["color"])
            label = Label(int(entry["id"]), str(entry["name"]), (red, green, blue))
        except (KeyError, TypeError, ValueError):
            label = None
        if (
            label is None
            or not 0 <= min(label.id, *label.color) <= max(label.id, *label.color) <= 255
        ):
            raise TiersegError(
                f"{name} has a wrong label in {METADATA_NAME}; "
                f"expected id, name and color [r, g, b] of 0-255, got {entry}"
            )
        labels.append(label)
    return tuple(labels)
