"""The pages: figures as the results have them, links that lead somewhere, names explained."""

import json
import types
from pathlib import Path

import pytest

from docs.builder.cards import cards
from docs.builder.figures import FigureError, figures, pages, rendered
from docs.builder.links import anchors, broken_links, faults_of
from docs.builder.reference import build, dead_ends, resolve, undocumented

PAPERS = ("u_net_pta", "mess", "j_net", "dance", "integer")
DOCS = Path(__file__).parent.parent / "docs"


# === Figures ===


@pytest.mark.parametrize("page", [*pages()], ids=lambda path: path.stem)
def test_the_figures_of_a_page_are_those_of_the_results(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert rendered(text) == text, "run `make docs`"


@pytest.mark.parametrize("paper", PAPERS)
def test_each_paper_has_a_page_with_measured_figures(paper: str) -> None:
    text = (DOCS / "papers" / f"{paper}.md").read_text(encoding="utf-8")
    assert figures(text) >= 5
    for title in ("What the paper does", "How to use it", "What was measured", "What falls short"):
        assert f"\n## {title}" in text
    assert "](https://arxiv.org/abs/" in text


@pytest.fixture
def results(tmp_path: Path) -> Path:
    rows = [
        {"tier": "light", "what": "a, b", "miou": 0.5749, "macs": 738_006_720, "ms": None},
        {"tier": "heavy", "what": "c", "miou": 0.6267, "macs": 5_516_903_040, "ms": 39.735},
    ]
    found = {"seed": 0, "steps": {"pta / plain": 1.14}, "rows": rows}
    (tmp_path / "trial.json").write_text(json.dumps(found))
    return tmp_path


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("trial/seed", "0"),
        ("trial/rows/1/miou %", "62.7"),
        ("trial/rows/tier=heavy/macs G", "5.52 G"),
        ("trial/rows/tier=light,what=a, b/miou ±", "+57.5"),
        ("trial/steps/pta / plain x", "1.14×"),
    ],
)
def test_a_figure_is_found_by_its_path(path: str, shown: str, results: Path) -> None:
    page = f"is <!--= {path} -->old<!--/--> here"
    assert rendered(page, results) == f"is <!--= {path} -->{shown}<!--/--> here"


def test_a_table_has_the_rows_and_columns_that_it_names(results: Path) -> None:
    page = "<!-- table trial\ntier: tier\nmIoU: miou %\nms: ms .1\n{}-->\nold\n<!-- end -->"
    text = rendered(page.format(""), results)
    assert text.splitlines()[4:-1] == [
        "-->",
        "| tier | mIoU | ms |",
        "| --- | ---: | ---: |",
        "| light | 57.5 | - |",
        "| heavy | 62.7 | 39.7 |",
    ]
    assert rendered(text, results) == text
    chosen = rendered(page.format("where: tier != light\n"), results)
    assert "heavy" in chosen
    assert "| light" not in chosen


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("<!--= trial/rows/tier=huge/miou % --><!--/-->", "have no 'tier=huge'"),
        ("<!--= trial/sed --><!--/-->", "have no 'sed'"),
        ("<!--= trail/seed --><!--/-->", "trail.json must be a result"),
        ("<!-- table trial\nmIoU: mio %\n-->\n<!-- end -->", "no row has 'mio'; rows have tier"),
        ("<!-- table trial\nmIoU: miou furlongs\n-->\n<!-- end -->", "got 'furlongs'"),
    ],
)
def test_a_figure_that_there_is_not_is_refused(page: str, message: str, results: Path) -> None:
    with pytest.raises(FigureError, match=message):
        rendered(page, results)


# === Links ===


def test_every_link_leads_somewhere() -> None:
    assert broken_links() == []


def test_links_to_nowhere_are_found(tmp_path: Path) -> None:
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# The `first` part, or so\n\n## Twice\n\n## Twice\n")
    assert anchors(other) == {"the-first-part-or-so", "twice", "twice-1"}
    page.write_text(
        "[a](other.md) [b](other.md#twice-1) [c](#here) ![d](none.png) [e](https://example.org)\n"
        "[f](other.md#thrice) `[g](code.md)`\n```\n[h](fenced.md)\n```\n# Here\n"
    )
    targets = [fault.split("the link ")[1].split()[0] for fault in faults_of(page)]
    assert targets == ["none.png", "other.md#thrice"]


# === Reference ===


def test_every_public_name_has_a_docstring() -> None:
    assert undocumented() == []


def test_the_reference_of_the_runtime_is_built_without_a_warning(tmp_path: Path) -> None:
    assert build(tmp_path, ["mobile_export.runtime"]) == []
    page = (tmp_path / "mobile_export" / "runtime" / "segmenter.html").read_text(encoding="utf-8")
    assert 'id="Segmenter.fastest_within"' in page


def test_a_name_without_a_docstring_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from mobile_export.runtime import Segmenter

    monkeypatch.setattr(Segmenter.measure, "__doc__", None)
    assert undocumented(["mobile_export.runtime"]) == [
        "mobile_export.runtime.Segmenter.measure must have a docstring; got none"
    ]


def test_names_that_are_imported_when_asked_for_become_members() -> None:
    module = types.ModuleType("lazy")
    module.__all__ = ["late"]  # type: ignore[attr-defined]
    module.__getattr__ = {"late": 7}.__getitem__  # type: ignore[method-assign]
    resolve(module)
    assert vars(module)["late"] == 7


def test_links_of_the_reference_to_nowhere_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a id="X" href="b.html">b</a><a href="#Y">y</a>')
    (tmp_path / "c.html").write_text('<a href="a.html#X.inherited">x</a><a href="a.html#Z">z</a>')
    links = [fault.split("the link ")[1].split()[0] for fault in dead_ends(tmp_path)]
    assert links == ["#Y", "b.html", "a.html#Z"]


# === Cards ===


def test_the_card_of_each_shipped_bundle_is_what_its_file_says() -> None:
    written = dict(cards())
    assert len(written) >= 4
    for path, text in written.items():
        assert path.exists(), "run `make docs`"
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `make docs`"
