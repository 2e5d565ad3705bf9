"""The reference: a page for each module, made of its docstrings by pdoc."""

import importlib
import inspect
import shutil
import types
import warnings
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pdoc

PACKAGES = ("kit", "mobile_export")
PUBLIC = (
    "kit",
    "kit.data",
    "kit.layers",
    "kit.losses",
    "kit.metrics",
    "kit.networks",
    "kit.quantization",
    "kit.search",
    "kit.slimming",
    "kit.tiers",
    "kit.training",
    "mobile_export",
    "mobile_export.runtime",
)
"""Modules whose names people import; each name is documented."""


def build(out: Path, packages: Sequence[str] = PACKAGES) -> list[str]:
    """Writes the reference anew.

    Args:
        out: folder of the pages; what was in it is removed.
        packages: modules to document, each with all that are in it.

    Returns:
        What is wrong, in words: pdoc's warnings, names without a docstring, links to nowhere.
    """
    shutil.rmtree(out, ignore_errors=True)
    for name in PUBLIC:
        if name.partition(".")[0] in {package.partition(".")[0] for package in packages}:
            resolve(importlib.import_module(name))
    pdoc.render.configure(docformat="google", footer_text="tierseg")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pdoc.pdoc(*packages, output_directory=out)
    said = [f"pdoc: {item.message}" for item in caught if "pdoc" in Path(item.filename).parts]
    return [*said, *undocumented(), *dead_ends(out)]


def resolve(module: types.ModuleType) -> None:
    """Makes names that a module imports when it is asked for them members like all others."""
    for name in getattr(module, "__all__", ()):
        if name not in vars(module):
            setattr(module, name, getattr(module, name))


def undocumented(modules: Sequence[str] = PUBLIC) -> list[str]:
    """Public names without a docstring, in words; methods that override none are names too."""
    return [
        f"{module}.{name} must have a docstring; got none"
        for module in modules
        for name, value in _public(importlib.import_module(module))
        if not _is_documented(value)
    ]


def _public(module: types.ModuleType) -> Iterator[tuple[str, object]]:
    names = getattr(module, "__all__", None)
    if names is None:  # names that are imported as themselves, or made here
        names = [name for name in vars(module) if not name.startswith("_")]
    for name in names:
        value = getattr(module, name)
        if not (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)):
            continue
        ours = value.__name__ if inspect.ismodule(value) else value.__module__
        if ours.partition(".")[0] not in PACKAGES:
            continue
        yield name, value
        if inspect.isclass(value):
            for method, function in vars(value).items():
                overrides = any(hasattr(base, method) for base in value.__bases__)
                if inspect.isfunction(function) and not method.startswith("_") and not overrides:
                    yield f"{name}.{method}", getattr(value, method)


def _is_documented(value: object) -> bool:
    """Whether a thing says what it is, or what it overrides does."""
    return bool((inspect.getdoc(value) or "").strip())


def dead_ends(folder: Path) -> list[str]:
    """Links between pages of HTML to a page or a place in it that there is not, in words."""
    pages = {path: _Page(path) for path in sorted(folder.rglob("*.html"))}
    faults = []
    for path, page in pages.items():
        for link in sorted(page.links):
            target, _, place = unquote(link).partition("#")
            file = (path.parent / target).resolve() if target else path
            if not file.exists():
                faults.append(f"{path}: the link {link} must lead to a page; there is none")
            elif file in pages and not _leads_somewhere(place, pages[file].places):
                faults.append(f"{path}: the link {link} must lead to a place; there is none")
    return faults


def _leads_somewhere(place: str, places: set[str]) -> bool:
    """Whether a page has a place, or its class: members that are inherited are not told again."""
    owner = place.partition(".")[0]
    return not place or place in places or owner in places or owner.startswith("_")


class _Page(HTMLParser):
    """The links of a page to other pages, and the places that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.places |= {found["id"]} if "id" in found else set()
        link = found.get("href", "") if tag == "a" else ""
        if link and not link.startswith(("http:", "https:", "mailto:", "data:")):
            self.links.add(link)
