"""Exit policies by name: a grid of them in one word."""

import re
from collections.abc import Iterable

from kit.layers.confidence import MEASURES
from kit.search import ExitPolicy
from mobile_export.runtime.errors import TiersegError

THRESHOLDS: dict[str, tuple[float, ...]] = {
    "top1": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
    "entropy": (0.5, 0.6, 0.7, 0.8, 0.9),
}
"""Measure -> the pixel thresholds that are tried unless others are named."""

GRAMMAR = "MEASURE[+edges][:THRESHOLD,...]"

_WORD = re.compile(r"(?P<measure>[a-z0-9]+)(?P<edges>\+edges)?(?::(?P<thresholds>[0-9.,]+))?")


def parse_policies(words: Iterable[str]) -> tuple[ExitPolicy, ...]:
    """The policies that some words name, each once, in their order.

    Args:
        words: each `top1` or `entropy`; with `+edges` behind, pixels near semantic edges are judged
            by their neighbourhood; then, behind a colon, pixel thresholds between 0 and 1, those of
            `THRESHOLDS` if none are named.

    Raises:
        TiersegError: a word is none of these.

    Example:
        parse_policies(["top1", "entropy+edges:0.6,0.8"])
    """
    found: dict[ExitPolicy, None] = {}
    for word in words:
        match = _WORD.fullmatch(word)
        if match is None or match["measure"] not in MEASURES:
            raise TiersegError(
                f"a policy must be {GRAMMAR} with the measure {' or '.join(MEASURES)}, as in "
                f"top1+edges:0.8,0.9; got {word!r}"
            )
        measure = MEASURES[MEASURES.index(match["measure"])]
        for threshold in _thresholds(match["thresholds"], measure, word):
            found[ExitPolicy(measure, threshold, bool(match["edges"]))] = None
    return tuple(found)


def _thresholds(text: str | None, measure: str, word: str) -> tuple[float, ...]:
    if text is None:
        return THRESHOLDS[measure]
    try:
        values = tuple(float(item) for item in text.split(","))
    except ValueError:
        values = ()
    if not values or not all(0 < value < 1 for value in values):
        raise TiersegError(f"pixel thresholds must be numbers between 0 and 1; got {word!r}")
    return values


POLICIES = parse_policies(measure + edges for measure in MEASURES for edges in ("", "+edges"))
"""Those that a search tries: both measures, with and without edges, at all their thresholds."""
