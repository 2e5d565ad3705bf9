"""What a bundle offers, as constants in a Kotlin file, so that an app is checked as it is built."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mobile_export.runtime.bundle import METADATA_NAME, Bundle
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.files import replacing
from mobile_export.runtime.labels import Label
from mobile_export.runtime.signature import Signature, Tensor
from mobile_export.runtime.tier_info import TierInfo, read_tiers

PACKAGE = "io.tierseg.bundles"
"""Kotlin package of the object, unless another is asked for."""

_PACKAGE = re.compile(r"[a-z_]\w*(\.[a-z_]\w*)*", re.ASCII)

_CLASSES = """\
    /** One tier; sizes in pixels, thresholds 0-1, null where there is none. */
    class Tier(
        val name: String,
        val signature: String,
        val configuration: String,
        val exit: Int?,
        val stages: List<String>,
        val height: Int,
        val width: Int,
        val pixelThreshold: Double?,
        val imageThreshold: Double?,
    )

    /** What a signature takes and gives. */
    class Signature(val name: String, val inputs: List<Tensor>, val outputs: List<Tensor>) {

        /** The outputs that the next stage takes, byte for byte; empty for a tier. */
        val states: List<Tensor>
            get() = outputs.filter { it.name.startsWith("state_") }
    }

    /** One input or output. */
    class Tensor(val name: String, val type: String, vararg val shape: Int)

    /** One class of the masks: [id] is its pixels' value, [color] is 0xRRGGBB. */
    class Label(val id: Int, val name: String, val color: Int)
"""


def kotlin_contract(bundle: Bundle, *, package: str = PACKAGE) -> str:
    """The Kotlin source of one object with all that an app may rely on.

    The object needs nothing but Kotlin's standard library. It holds names of the tiers as
    constants, each tier's signature, stages, sizes and thresholds, each signature's tensors, states
    among them, labels with colours, and the model's checksum.

    Args:
        bundle: a bundle with metadata.
        package: Kotlin package of the object.

    Raises:
        TiersegError: the bundle has no metadata, or `package` is no name of a package.
    """
    if not _PACKAGE.fullmatch(package):
        raise TiersegError(f"`package` must be like {PACKAGE}, in small letters; got {package!r}")
    if bundle.metadata is None:
        raise TiersegError(f"{bundle.name} must be a bundle with {METADATA_NAME}; got one without")
    metadata = bundle.metadata
    tiers = read_tiers(bundle, bundle.signatures)
    constants = _constants(info.name for info in tiers)
    default = str(metadata.get("default_tier", tiers[0].name))
    if default not in constants:
        raise TiersegError(
            f"{bundle.name}: {METADATA_NAME}: `default_tier` must be one of "
            f"{', '.join(constants)}; got {default!r}"
        )
    name = str(metadata.get("name", Path(bundle.name).stem))
    size = f"{len(tiers)} tiers, {len(bundle.signatures)} signatures"
    names = [f"        const val {key} = {_text(value)}" for value, key in constants.items()]
    return "\n".join(
        [
            f"// Written by `tierseg contract` from {_line(Path(bundle.name).name)}; do not edit.",
            f"package {package}",
            "",
            f"/** What the bundle {_line(name)} offers: {size}. */",
            f"object {_object_name(name)} {{",
            "",
            f"    const val NAME = {_text(name)}",
            f"    const val VERSION = {_text(str(metadata.get('version', '')))}",
            "",
            f"    /** SHA-256 of the model: the bytes before {METADATA_NAME}. */",
            f"    const val SHA256 = {_text(str(metadata['sha256']))}",
            "",
            "    /** The tier that an app begins with. */",
            f"    const val DEFAULT_TIER = Tiers.{constants[default]}",
            "",
            "    /** Names of the tiers, lightest first. */",
            "    object Tiers {",
            *names,
            "    }",
            "",
            *_listed("tiers", "Tier", "Every tier, lightest first.", tiers, _tier),
            *_listed(
                "signatures",
                "Signature",
                "Every signature of the model, those of stages too.",
                bundle.signatures.values(),
                _signature,
            ),
            *_listed("labels", "Label", "The classes of the masks.", bundle.labels, _label),
            f"{_CLASSES}}}",
            "",
        ]
    )


def write_kotlin(
    bundle: str | os.PathLike[str], out: str | os.PathLike[str], *, package: str = PACKAGE
) -> Path:
    """Writes the contract of a bundle; the file appears whole or not at all.

    Args:
        bundle: the `.tflite`.
        out: the file to write, `*.kt`; an earlier one is replaced.
        package: Kotlin package of the object.

    Returns:
        `out`.

    Raises:
        TiersegError: `out` does not end in .kt, or the bundle cannot be read or has no metadata.
    """
    target = check_kotlin(out)
    text = kotlin_contract(Bundle.open(bundle), package=package)
    with replacing(target) as partial:
        partial.write_text(text, encoding="utf-8")
    return target


def check_kotlin(out: str | os.PathLike[str]) -> Path:
    """The path of a Kotlin file, refused if it is no such.

    Raises:
        TiersegError: it does not end in .kt.
    """
    if Path(out).suffix != ".kt":
        raise TiersegError(f"the Kotlin file must end in .kt; got {os.fspath(out)!r}")
    return Path(out)


def _listed(
    name: str, kind: str, says: str, items: Iterable[Any], written: Callable[[Any], str]
) -> list[str]:
    """A list that is made when it is first read: one initialiser for all might outgrow Java's."""
    return [
        f"    /** {says} */",
        f"    val {name}: List<{kind}> by lazy {{",
        "        listOf(",
        *(f"            {written(item)}," for item in items),
        "        )",
        "    }",
        "",
    ]


def _tier(info: TierInfo) -> str:
    thresholds = info.figures.get("thresholds", {})
    values = [
        _text(info.name),
        _text(info.signature),
        _text(info.configuration),
        _number(info.exit),
        _texts(info.stages),
        *map(str, info.input_size),
        _real(thresholds.get("pixel")),
        _real(info.image_threshold),
    ]
    return f"Tier({', '.join(values)})"


def _signature(signature: Signature) -> str:
    sides = (_tensors(signature.inputs), _tensors(signature.outputs))
    return f"Signature({_text(signature.name)}, {', '.join(sides)})"


def _tensors(tensors: Mapping[str, Tensor]) -> str:
    items = (
        f"Tensor({', '.join([_text(name), _text(str(item.dtype)), *map(str, item.shape)])})"
        for name, item in sorted(tensors.items())
    )
    return f"listOf({', '.join(items)})"


def _label(label: Label) -> str:
    red, green, blue = label.color
    return f"Label({label.id}, {_text(label.name)}, 0x{red:02X}{green:02X}{blue:02X})"


def _texts(values: Iterable[str]) -> str:
    return f"listOf({', '.join(map(_text, values))})"


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


def _real(value: float | None) -> str:
    return "null" if value is None else repr(float(value))


def _text(value: str) -> str:
    """A Kotlin string of one line, in which nothing is a template."""
    escaped = {"\\": "\\\\", '"': '\\"', "$": "\\$"}
    return '"' + "".join(escaped.get(char) or _printable(char) for char in value) + '"'


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def _line(value: str) -> str:
    """Text that ends no comment."""
    return " ".join(value.split()).replace("*/", "* /").replace("/*", "/ *")


def _object_name(name: str) -> str:
    """`camvid_exits` as CamvidExits."""
    words = re.findall(r"[A-Za-z0-9]+", name)
    joined = "".join(word[0].upper() + word[1:] for word in words) or "Bundle"
    return joined if joined[0].isalpha() else f"Bundle{joined}"


def _constants(names: Iterable[str]) -> dict[str, str]:
    """A constant's name for each tier, no two alike."""
    found: dict[str, str] = {}
    for name in names:
        base = re.sub(r"[^A-Za-z0-9]+", "_", name).upper().strip("_") or "TIER"
        base = base if base[0].isalpha() else f"TIER_{base}"
        key, number = base, 2
        while key in found.values():
            key, number = f"{base}_{number}", number + 1
        found[name] = key
    return found
