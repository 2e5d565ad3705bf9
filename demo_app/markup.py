"""Small tables in HTML: the classes of a mask, the figures of a tier."""

from collections.abc import Iterable, Mapping
from html import escape

from mobile_export.runtime import Label, label_of

_ROW = (
    '<div style="display:inline-flex;align-items:center;gap:.4rem;margin:0 1.1rem .35rem 0;'
    'white-space:nowrap;font-size:.9rem;opacity:{opacity}">'
    '<span style="width:.95rem;height:.95rem;border-radius:.25rem;background:rgb{color};'
    'box-shadow:0 0 0 1px rgba(128,128,128,.45)"></span>'
    "{name}<b>{share}</b></div>"
)


_FACT = (
    '<div style="display:flex;justify-content:space-between;gap:1rem;padding:.45rem .1rem;'
    'border-bottom:1px solid rgba(128,128,128,.25);text-align:right">'
    '<span style="opacity:.7;text-align:left">{name}</span><b>{value}</b></div>'
)


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Writes names and values as HTML, one pair a line."""
    return "".join(_FACT.format(name=escape(name), value=escape(value)) for name, value in rows)


def legend(labels: Iterable[Label], shares: Mapping[int, float]) -> str:
    """Writes the legend of one mask as HTML.

    Args:
        labels: the classes that the bundle names.
        shares: share of the mask's pixels by class id, 0-1.

    Returns:
        One chip per class: those in the picture by falling share, then the others, faded.
    """
    named = tuple(labels)
    present = [label_of(class_id, named) for class_id in shares]
    absent = [label for label in named if label.id not in shares]
    return "".join(_chip(label, shares.get(label.id, 0.0)) for label in (*present, *absent))


def _chip(label: Label, share: float) -> str:
    text = f"{share:.0%}" if share >= 0.01 else "&lt; 1%" if share else ""
    return _ROW.format(
        opacity=1 if share else 0.4, color=label.color, name=escape(label.name), share=text
    )
