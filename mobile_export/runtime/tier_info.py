"""What a bundle says of one tier."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mobile_export.runtime.bundle import METADATA_NAME, Bundle
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.signature import Signature

_EXIT = re.compile(r"(?P<base>.+)_exit(?P<exit>[1-9]\d*)")


@dataclass(frozen=True)
class TierInfo:
    """One tier of a bundle: how to call it, and the figures that the bundle gives of it.

    Args:
        name: the name that people choose it by.
        signature: the signature that runs it.
        input_size: (height, width) of the image that it takes, pixels.
        mask_size: (height, width) of the mask that it gives, pixels.
        configuration: name of the configuration, with the input size if that is not the native one
            (`light_176x240`); tiers of one configuration differ in their exit alone.
        exit: 1 for the shallowest early exit; None for the final one.
        stages: the stage signatures that lead to this exit, in order; empty if there are none.
        image_threshold: an adaptive run leaves at this exit if the confidence (0-1) is at least
            this; None for the final exit, and where none was fitted.
        figures: the tier's entry in the metadata (`parameters`, `macs`, `miou`, `dice`, ...); a
            figure that was not measured is absent.
        sizeless: name of the configuration without the input size: tiers of one such name and one
            exit differ in their input size alone.
    """

    name: str
    signature: str
    input_size: tuple[int, int]
    mask_size: tuple[int, int]
    configuration: str
    exit: int | None = None
    stages: tuple[str, ...] = ()
    image_threshold: float | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    sizeless: str = ""

    def figure(self, name: str) -> float | None:
        """A number of `figures`, or None where the bundle does not give it."""
        value = self.figures.get(name)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def read_tiers(bundle: Bundle, signatures: Mapping[str, Signature]) -> tuple[TierInfo, ...]:
    """Every one-shot tier of a bundle.

    Args:
        bundle: the bundle.
        signatures: the signatures of its model, by name.

    Returns:
        The tiers, lightest first as the metadata lists them; in the file's order without metadata.

    Raises:
        TiersegError: the model is no segmentation bundle, or lacks a tier that its metadata lists;
            or a tier's `exit`, `stages` or threshold in the metadata is wrong.
    """
    usable = {name: signature for name, signature in signatures.items() if signature.is_tier}
    if not usable:
        raise TiersegError(_foreign(bundle.name, signatures))
    for signature in usable.values():
        if signature.fault:
            raise TiersegError(f"{bundle.name}: signature {signature.name!r}: {signature.fault}")
    if bundle.metadata is None:
        return tuple(
            _tier(bundle.name, name, usable[name], {}, _stages(name, signatures)) for name in usable
        )
    tiers = []
    for entry in bundle.metadata.get("tiers", []):
        key = entry.get("signature", entry.get("name")) if isinstance(entry, dict) else None
        if key not in usable:
            raise TiersegError(
                f"{bundle.name}: {METADATA_NAME} lists a tier that the model lacks; "
                f"expected one of the signatures {', '.join(usable)}, got {key!r}"
            )
        tiers.append(_tier(bundle.name, str(entry.get("name", key)), usable[key], entry))
    if not tiers:
        raise TiersegError(
            f"{bundle.name}: {METADATA_NAME} must list the tiers {', '.join(usable)}; got none"
        )
    return tuple(tiers)


def _tier(
    bundle: str,
    name: str,
    signature: Signature,
    figures: Mapping[str, Any],
    named: Sequence[str] = (),
) -> TierInfo:
    """One tier; where `figures` leave out configuration, exit or stages, the names tell them."""
    _, height, width, _ = signature.inputs["image"].shape
    _, mask_height, mask_width = signature.outputs["mask"].shape
    match = _EXIT.fullmatch(signature.name)
    base = match["base"] if match else signature.name
    configuration = figures.get("configuration", base)
    exit_ = figures.get("exit", int(match["exit"]) if match else None)
    stages = figures.get("stages", named)
    thresholds = figures.get("thresholds", {})
    for title, value, right, expected in (
        ("configuration", configuration, isinstance(configuration, str), "a name"),
        ("exit", exit_, _is_exit(exit_), "an integer from 1, or null for the final exit"),
        ("stages", stages, _is_names(stages), "a list of signatures' names"),
        (
            "thresholds",
            thresholds,
            _is_thresholds(thresholds),
            "an object whose `image`, if any, is 0-1",
        ),
    ):
        if not right:
            raise TiersegError(
                f"{bundle}: {METADATA_NAME}: `{title}` of the tier {name} must be {expected}; "
                f"got {value!r}"
            )
    return TierInfo(
        name=name,
        signature=signature.name,
        input_size=(height, width),
        mask_size=(mask_height, mask_width),
        configuration=base if base == f"{configuration}_{height}x{width}" else configuration,
        exit=exit_,
        stages=tuple(stages),
        image_threshold=thresholds.get("image"),
        figures=figures,
        sizeless=configuration.removesuffix(f"_{height}x{width}"),
    )


def _stages(name: str, signatures: Mapping[str, Signature]) -> Sequence[str]:
    """The stages that lead to a tier, by their names alone; none if one is missing."""
    match = _EXIT.fullmatch(name)
    base, depth = (match["base"], int(match["exit"])) if match else (name, len(signatures))
    names = [f"{base}_stage{place + 1}" for place in range(depth)]
    present = list(itertools.takewhile(signatures.__contains__, names))
    return present if match is None or present == names else ()


def _is_exit(value: object) -> bool:
    return value is None or (type(value) is int and value >= 1)


def _is_names(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value)


def _is_thresholds(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    image = value.get("image")
    return image is None or (type(image) in (int, float) and 0 <= image <= 1)


def _foreign(name: str, signatures: Mapping[str, Signature]) -> str:
    """Says what a model without any tier is instead."""
    expected = "expected a signature per tier: `image` in, `mask` and `confidence` out"
    if not signatures:
        return f"{name} is not a segmentation bundle; {expected}, got no signature at all"
    found = "; ".join(
        f"{key}: {', '.join(signature.inputs)} in, {', '.join(signature.outputs)} out"
        for key, signature in list(signatures.items())[:2]
    )
    return f"{name} is not a segmentation bundle; {expected}, got {found}"
