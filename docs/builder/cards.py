"""The cards of the shipped bundles, with the figures of their classes where they were measured."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.builder.figures import ROOT, result
from mobile_export.card import card
from mobile_export.runtime import Bundle

MODELS = ROOT / "assets" / "models"

_SCORED = {"camvid": ("pta_camvid", "details", "camvid", "int8")}
"""Bundle -> where in the results its int8 tiers are scored class by class."""


def cards() -> Iterator[tuple[Path, str]]:
    """The path of each shipped bundle's card, and what it should hold."""
    for bundle in sorted(MODELS.glob("*.tflite")):
        yield bundle.with_suffix(".md"), card(bundle, _classes(bundle))


def _classes(bundle: Path) -> Mapping[str, Any] | None:
    if bundle.stem not in _SCORED:
        return None
    default = (Bundle.open(bundle).metadata or {})["default_tier"]
    name, *keys = _SCORED[bundle.stem]
    tiers: Any = result(name)
    for key in keys:
        tiers = tiers[key]
    return next(tier["classes"] for tier in tiers if tier["tier"] == default)
