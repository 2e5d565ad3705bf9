"""Links of the README and of the pages: each must lead to a file, and to a heading in it."""

import re
from collections.abc import Iterator
from pathlib import Path

from docs.builder.figures import ROOT, pages

_LINK = re.compile(r"\[[^\]\[]*(?:\[[^\]]*\][^\]\[]*)*\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#{1,6}\s+(?P<title>.+?)\s*#*$", re.MULTILINE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:")


def linked_pages() -> Iterator[Path]:
    """The pages whose links are followed: README, documentation, cards and results."""
    yield ROOT / "README.md"
    yield from pages()
    for folder in ("models", "results"):
        yield from sorted((ROOT / "assets" / folder).glob("*.md"))


def broken_links() -> list[str]:
    """Every link within the repository that leads nowhere, in words."""
    return [fault for page in linked_pages() for fault in faults_of(page)]


def faults_of(page: Path) -> list[str]:
    """The links of one page that lead nowhere, in words; addresses elsewhere are not followed.

    Args:
        page: a Markdown file.
    """
    text = _CODE.sub("``", _FENCE.sub("", page.read_text(encoding="utf-8")))
    faults = []
    for target in (match["target"] for match in _LINK.finditer(text)):
        if _SCHEME.match(target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            faults.append(f"{page}: the link {target} must lead to a file; there is none")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file):
            faults.append(f"{page}: the link {target} must lead to a heading; there is none")
    return faults


def anchors(page: Path) -> set[str]:
    """The names that the headings of a page can be linked by, as GitHub makes them."""
    found: dict[str, int] = {}
    names = set()
    for match in _HEADING.finditer(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match["title"])
        name = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if name in found else name)
        found[name] = found.get(name, 0) + 1
    return names
