"""The cards of the shipped bundles, with the figures of their classes where they were measured."""

from collections.abc import Iterator
from pathlib import Path

from docs.builder.figures import ROOT
from mobile_export.card import card, classes_of

MODELS = ROOT / "assets" / "models"
EVALUATIONS = ROOT / "assets" / "results" / "evaluations"
"""Of each bundle what `tierseg evaluate BUNDLE --data ... --json` said."""


def cards() -> Iterator[tuple[Path, str]]:
    """The path of each shipped bundle's card, and what it should hold."""
    for bundle in sorted(MODELS.glob("*.tflite")):
        evaluation = EVALUATIONS / f"{bundle.stem}.json"
        classes = classes_of(bundle, evaluation) if evaluation.is_file() else None
        yield bundle.with_suffix(".md"), card(bundle, classes)
