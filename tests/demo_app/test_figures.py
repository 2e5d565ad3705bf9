"""Numbers as people read them, the tiers' table and chart."""

from pathlib import Path
from typing import Any

import pytest

from demo_app.figures import chart, exit_chart, front, measured_on, percent, short, tier_table
from mobile_export.runtime import Bundle, Segmenter
from tests.tiny_bundle import MIOU, PLAIN_TIERS, packed, plain_metadata


@pytest.fixture
def plain(tiny_model_bytes: bytes) -> Bundle:
    """A bundle without early exits."""
    return Bundle.from_bytes(packed(tiny_model_bytes, plain_metadata(tiny_model_bytes)))


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "–"), (0, "0"), (999, "999"), (1000, "1 k"), (3_412_345, "3.41 M"),
        (1_250_000_000, "1.25 G"), (43_600_000_000, "43.6 G"),
    ],
)  # fmt: skip
def test_short(number: float | None, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize(("share", "text"), [(None, "–"), (0.6131, "61.3 %"), (1, "100.0 %")])
def test_percent(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_the_table_has_a_row_per_tier_and_only_known_figures(plain: Bundle) -> None:
    segmenter = Segmenter(plain, warm_up="none")
    times = {tier: 1.0 + place for place, tier in enumerate(PLAIN_TIERS)}
    rows = tier_table(segmenter, times)
    assert [row["tier"] for row in rows] == list(PLAIN_TIERS)
    assert [row["miou"] for row in rows] == [MIOU[tier] for tier in PLAIN_TIERS]
    assert [row["parameters"] for row in rows] == [0.001, 0.002, 0.003, 0.004]
    assert rows[3]["macs"] == 0.02
    assert [row["latency_ms"] for row in rows] == [1, 2, 3, 4]
    assert not {"dice", "configuration", "exit"} & rows[0].keys()


def test_the_table_of_a_bundle_with_exits_is_grouped(tiny_bundle: Path) -> None:
    segmenter = Segmenter(tiny_bundle, warm_up="none")
    rows = tier_table(segmenter, dict.fromkeys(segmenter.tiers, 1.0))
    assert [(row["configuration"], row["exit"], row["tier"]) for row in rows] == [
        ("light", "final", "light"),
        ("light_24x32", "final", "light_24x32"),
        ("medium", "final", "medium"),
        ("heavy", "exit 1", "heavy_exit1"),
        ("heavy", "exit 2", "heavy_exit2"),
        ("heavy", "final", "heavy"),
    ]
    assert [row["miou"] for row in rows] == [MIOU[row["tier"]] for row in rows]


def test_a_figure_that_one_tier_lacks_is_none_there(tiny_model_bytes: bytes) -> None:
    metadata = plain_metadata(tiny_model_bytes)
    metadata["tiers"][0]["dice"] = 0.5
    segmenter = Segmenter(Bundle.from_bytes(packed(tiny_model_bytes, metadata)), warm_up="none")
    rows = tier_table(segmenter, dict.fromkeys(segmenter.tiers, 1.0))
    assert [row["dice"] for row in rows] == [0.5, None, None, None]


def test_measured_on_names_each_data_set_once(tiny_model_bytes: bytes, tiny_bundle: Path) -> None:
    metadata = plain_metadata(tiny_model_bytes)
    for tier in metadata["tiers"][:3]:
        tier["measured_on"] = {"data": "camvid", "split": "test", "images": 233}
    metadata["tiers"][3]["measured_on"] = {"data": "own"}
    bundle = Bundle.from_bytes(packed(tiny_model_bytes, metadata))
    assert measured_on(Segmenter(bundle, warm_up="none")) == "camvid test, 233 images; own"
    assert measured_on(Segmenter(tiny_bundle, warm_up="none")) == ""


def _fields(drawn: Any) -> set[str]:
    layers = drawn.to_dict()["layer"]
    return {
        channel["field"]
        for layer in layers
        for channel in layer["encoding"].values()
        if "field" in channel
    }


ROWS = [{"tier": "light", "latency_ms": 2.0}, {"tier": "heavy", "latency_ms": 8.0}]


def test_the_chart_shows_quality_against_latency() -> None:
    rows = [{**row, "dice": 0.5} for row in ROWS]
    assert _fields(chart(rows, "light", "#000")) == {"tier", "latency_ms", "dice"}


def test_a_budget_is_a_line_in_every_chart() -> None:
    for draw, rows in ((chart, ROWS), (exit_chart, _many(dice=0.5)), (exit_chart, _many())):
        plain, limited = draw(rows, None, "#000"), draw(rows, None, "#000", 12.5)
        assert len(limited.to_dict()["layer"]) == len(plain.to_dict()["layer"]) + 1
        assert "12.5" in limited.to_json()


def test_the_front_leaves_out_what_another_tier_beats() -> None:
    rows = [
        {"tier": name, "latency_ms": ms, "miou": miou}
        for name, ms, miou in (("a", 2, 0.4), ("b", 3, 0.4), ("c", 5, 0.6), ("d", 5, 0.5))
    ]
    assert [row["tier"] for row in front(rows[::-1], "miou")] == ["a", "c"]
    values = chart(rows, None, "#000").to_dict()["layer"][0]["data"]["values"]
    assert [row["tier"] for row in values] == ["a", "c"]


def test_without_quality_the_chart_shows_latency() -> None:
    drawn = chart(ROWS, "light", "#123456")
    assert _fields(drawn) == {"tier", "latency_ms"}
    assert "#123456" in drawn.to_json()
    assert "(datum.tier === 'light')" in drawn.to_json()


def _many(**quality: float) -> list[dict[str, Any]]:
    """Rows of 6 configurations x 4 exits."""
    exits = ("exit 1", "exit 2", "exit 3", "final")
    return [
        {
            "tier": f"{configuration}_{title}",
            "configuration": configuration,
            "exit": title,
            "latency_ms": 10.0 * size + depth,
            **quality,
        }
        for size, configuration in enumerate("abcdef", 1)
        for depth, title in enumerate(exits)
    ]


def test_the_chart_of_many_tiers_is_coloured_by_exit_and_names_configurations() -> None:
    drawn = exit_chart(_many(dice=0.5), "c_exit 2", "#123456").to_dict()
    lines, points, ring, names = drawn["layer"]
    assert lines["encoding"]["detail"]["field"] == "configuration"
    assert points["encoding"]["color"]["field"] == "exit"
    scale = points["encoding"]["color"]["scale"]
    assert scale["domain"] == ["exit 1", "exit 2", "exit 3", "final"]
    assert len(set(scale["range"])) == 4
    assert scale["range"][-1] == "#123456"
    assert ring["transform"] == [{"filter": "(datum.tier === 'c_exit 2')"}]
    assert names["encoding"]["text"]["field"] == "configuration"
    assert names["transform"][0]["filter"]["oneOf"] == [f"{name}_final" for name in "abcdef"]
    assert points["encoding"]["y"]["field"] == "dice"


def test_without_quality_the_chart_of_many_tiers_has_bars_by_configuration() -> None:
    (bars,) = exit_chart(_many(), "c_exit 2", "#123456").to_dict()["layer"]
    encoding = bars["encoding"]
    assert (encoding["x"]["field"], encoding["y"]["field"]) == ("latency_ms", "configuration")
    assert encoding["yOffset"]["field"] == encoding["color"]["field"] == "exit"
    assert "c_exit 2" in str(encoding["opacity"])
