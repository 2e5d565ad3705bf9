"""Measured figures in the pages of `docs/`, taken from `assets/results/*.json`.

A page names a figure in a comment, and what follows the comment is written by `rendered`:

    reaches <!--= pta_camvid/rows/tier=heavy/int8_miou % -->62.7<!--/--> mIoU

A table names its columns, one a line: title, key of the figure in a row, format. `where` keeps the
rows that have these values (`!=`: have not).

    <!-- table pta_camvid
    tier: tier
    mIoU: int8_miou %
    where: tier != plain
    -->
    ...
    <!-- end -->

A path's parts are keys, places in a list, or `key=value`, the first item of a list that has it.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from mobile_export.tables import Column, markdown_table

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "assets" / "results"

FORMATS: Mapping[str, Callable[[Any], str]] = {
    "": str,
    "%": lambda value: f"{100 * value:.1f}",
    "±": lambda value: f"{100 * value:+.1f}".replace("-", "−"),
    "saved": lambda value: f"{100 * (value - 1):+.0f} %".replace("-", "−"),
    "points": lambda value: f"{value:+.1f}".replace("-", "−"),
    "G": lambda value: f"{value / 1e9:.2f} G",
    "M": lambda value: f"{value / 1e6:.2f} M",
    "MB": lambda value: f"{value / 1e6:.2f} MB",
    ".0": lambda value: f"{value:.0f}",
    ".1": lambda value: f"{value:.1f}",
    ".2": lambda value: f"{value:.2f}",
    "x": lambda value: f"{value:.2f}×",
    "%.2": lambda value: f"{100 * value:.2f}",
    "shares": lambda value: " / ".join(f"{100 * share:.0f}" for share in value),
}
"""How a number is written: `%` a share in percent, `±` a difference of shares in points with its
sign, `saved` a cost as what it is off 1, `x` a ratio, `shares` a list of shares in percent."""

_KNOWN = "|".join(re.escape(name) for name in sorted(filter(None, FORMATS), reverse=True))
_FIGURE = re.compile(
    rf"(<!--= (?P<path>[^>]+?)(?: (?P<format>{_KNOWN}))? -->)(?P<text>.*?)(<!--/-->)"
)
_TABLE = re.compile(
    r"(<!-- table (?P<name>\w+)\n(?P<columns>.*?)-->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL
)


class FigureError(ValueError):
    """A page asks for a figure that the results do not have, or in no known format."""


def rendered(page: str, results: Path = RESULTS) -> str:
    """A page with its figures as the results have them now.

    Args:
        page: Markdown.
        results: folder of the JSON files.

    Raises:
        FigureError: it names a result, a figure or a format that there is not.
    """

    def figure(match: re.Match[str]) -> str:
        value = _found(match["path"], results)
        return f"{match[1]}{_shown(value, match['format'] or '')}{match[5]}"

    def table(match: re.Match[str]) -> str:
        rows = _loaded(results / f"{match['name']}.json")["rows"]
        return f"{match[1]}{_table(match['columns'], rows)}\n{match[5]}"

    return _TABLE.sub(table, _FIGURE.sub(figure, page))


def figures(page: str) -> int:
    """How many figures and tables a page takes from results."""
    return len(_FIGURE.findall(page)) + len(_TABLE.findall(page))


def result(name: str) -> Any:
    """What an experiment found, by its name."""
    return _loaded(RESULTS / f"{name}.json")


def pages() -> Iterator[Path]:
    """The pages of the documentation."""
    yield from sorted((ROOT / "docs").rglob("*.md"))


def _table(text: str, rows: Sequence[Mapping[str, Any]]) -> str:
    columns = []
    for line in filter(None, map(str.strip, text.splitlines())):
        title, _, rest = (part.strip() for part in line.partition(": "))
        if title == "where":
            rows = [row for row in rows if all(_holds(row, item) for item in rest.split(", "))]
            continue
        key, _, format_ = rest.partition(" ")
        if not any(key in row for row in rows):
            raise FigureError(f"no row has {key!r}; rows have {', '.join(rows[0]) if rows else ''}")
        columns.append(Column(title, key, partial(_shown, format_=format_)))
    return markdown_table(columns, rows)


def _holds(row: Mapping[str, Any], condition: str) -> bool:
    key, is_not, value = (part.strip() for part in re.split(r"\s(!?=)\s", condition))
    return (str(row.get(key)) == value) == (is_not == "=")


def _found(path: str, results: Path) -> Any:
    name, *parts = re.split(r"(?<! )/(?! )", path)
    value = _loaded(results / f"{name}.json")
    for part in parts:
        try:
            if isinstance(value, list) and "=" in part:
                wanted = [item.split("=", 1) for item in re.split(r",(?=\w+=)", part)]
                value = next(
                    item for item in value if all(str(item.get(key)) == it for key, it in wanted)
                )
            else:
                value = value[int(part)] if isinstance(value, list) else value[part]
        except (KeyError, IndexError, ValueError, StopIteration, TypeError):
            raise FigureError(f"{path}: the results have no {part!r}") from None
    return value


def _shown(value: Any, format_: str) -> str:
    if format_ not in FORMATS:
        raise FigureError(f"a format must be one of {' '.join(FORMATS)}; got {format_!r}")
    return FORMATS[format_](value)


@cache
def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FigureError(f"{path.name} must be a result in assets/results; got none") from None
