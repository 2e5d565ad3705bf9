"""Table, targets and picture of networks with early exits that one experiment made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.data import Dataset
from kit.search import Candidate, ExitPolicy, ExitSearch, ExitTable
from mobile_export.benchmark import Benchmark
from mobile_export.evaluation import Evaluation
from mobile_export.experiments.results import Target
from mobile_export.metadata import add_figures
from mobile_export.runtime import Bundle
from mobile_export.tables import Column, millions, milliseconds, percent, points
from mobile_export.thresholds import bundle_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_DROP = 0.5
"""Points of mIoU that may be lost when images leave early."""

_EQUAL = 0.1  # points within which a network counts as equal


@dataclass(frozen=True)
class MultiExitRun:
    """What was made and measured of one family of networks; scores are those of int8 on test.

    Args:
        title: what the family is called.
        configuration: the one that was searched, the heaviest.
        search: what the search found.
        fitted: configuration -> thresholds that were fitted on the int8 file.
        bundle: every tier and stage.
        scores: of the bundle's tiers.
        control_bundle: the network that was trained without exits.
        control: its scores.
        small_bundle: a small network of one exit, if there is one.
        small: its scores.
        largest: bytes of the largest tier in a file of its own.
        head_bytes: bytes of the kernels that this tier has not.
    """

    title: str
    configuration: str
    search: dict[str, Any]
    fitted: dict[str, dict[str, Any]]
    bundle: Path
    scores: Evaluation
    control_bundle: Path
    control: Evaluation
    small_bundle: Path | None
    small: Evaluation | None
    largest: int
    head_bytes: int


COLUMNS = (
    Column("network", "network"),
    Column("setting", "setting"),
    Column("mIoU", "miou", percent),
    Column("Dice", "dice", percent),
    Column("mIoU to no exits", "miou_to_control", points),
    Column("M MACs", "macs", millions),
    Column("ms", "ms", milliseconds),
    Column("times as fast as no exits", "speed_up", lambda ratio: f"{ratio:.2f}x"),
    Column("share leaving at each exit", "shares", lambda shares: " / ".join(map(percent, shares))),
)


def table_rows(made: MultiExitRun, timed: Benchmark, test: Dataset) -> list[dict[str, Any]]:
    """The networks to compare with, each tier in one shot, and what chained stages give."""
    title = made.title
    by_signature = {(row.file, row.signature): row.p50_ms for row in timed.rows}
    add_figures(made.bundle, timed.figures(made.bundle))
    rows = _one_shot(
        f"{title} without exits", "without exits", made.control_bundle, made.control, timed
    )[-1:]
    if made.small_bundle is not None and made.small is not None:
        rows += _one_shot(f"small {title}", "small, alone", made.small_bundle, made.small, timed)
    rows += _one_shot(title, "own", made.bundle, made.scores, timed)
    for configuration, fitted in made.fitted.items():
        stages = {
            signature: ms
            for (file, signature), ms in by_signature.items()
            if file == str(made.bundle) and signature.startswith(f"{configuration}_stage")
        }
        table = bundle_table(made.bundle, configuration, test, stages)
        rows += _settings(f"{title} {configuration}", table, list(fitted["thresholds"].values()))
    for row in rows:
        row["family"] = title
        row["miou_to_control"] = round(row["miou"] - rows[0]["miou"], 5)
        row["speed_up"] = round(rows[0]["ms"] / row["ms"], 4)
    return rows


def _one_shot(
    title: str, kind: str, bundle: Path, scores: Evaluation, timed: Benchmark
) -> list[dict[str, Any]]:
    latencies = timed.figures(bundle)
    entries = {entry["name"]: entry for entry in (Bundle.open(bundle).metadata or {})["tiers"]}
    return [
        {
            "network": f"{title} {entries[score.tier]['configuration']}".removesuffix(" plain"),
            "kind": kind,
            "configuration": entries[score.tier]["configuration"],
            "setting": f"exit {exit_}" if (exit_ := entries[score.tier]["exit"]) else "final",
            "miou": round(score.miou, 5),
            "dice": round(score.dice, 5),
            "macs": entries[score.tier]["macs"],
            "ms": latencies[score.tier]["latency_ms"],
        }
        for score in scores.scores
    ]


def _settings(title: str, table: ExitTable, thresholds: Sequence[float]) -> list[dict[str, Any]]:
    """Input-dependent by fitted thresholds, and anytime; an image runs chained stages."""
    exits = tuple(range(1, table.num_exits + 1))
    search = ExitSearch(table, max_exits=table.num_exits)
    leaving = search.score(
        Candidate("input-dependent", exits, (ExitPolicy(),) * len(exits), tuple(thresholds))
    )
    anytime = search.score(Candidate("anytime", exits))
    rows = []
    for candidate, ms, miou in (
        (leaving, leaving.mean, leaving.miou),
        (anytime, anytime.worst, anytime.deadline_miou),
    ):
        rows.append(
            {
                "network": title.removesuffix(" plain"),
                "kind": "own",
                "configuration": table.configuration,
                "setting": candidate.setting,
                "miou": round(float(miou or 0), 5),
                "dice": round(candidate.dice, 5) if candidate is leaving else None,
                "macs": int(ms["macs"]),
                "ms": round(ms["latency_ms"], 3),
                "shares": list(candidate.shares) if candidate is leaving else None,
            }
        )
    return rows


def run_targets(made: MultiExitRun, rows: Sequence[Mapping[str, Any]]) -> list[Target]:
    """What one family was to reach, computed from the rows of the table."""
    title = made.title
    rows = [row for row in rows if row["family"] == title]
    own = [row for row in rows if row["kind"] == "own"]
    heaviest = {row["setting"]: row for row in own if row["configuration"] == made.configuration}
    final, leaving = heaviest["final"], heaviest["input-dependent"]
    running = [row for row in own if row["setting"] != "anytime"]
    equal = [row for row in running if 100 * row["miou_to_control"] >= -_EQUAL]
    targets = [
        Target.at_least(
            f"{title}: times as fast as without exits, at equal mIoU",
            2.83,
            max((row["speed_up"] for row in equal), default=0.0),
        ),
        Target.at_least(
            f"{title}: mIoU of the final exit to training without exits, points",
            -0.2,
            100 * final["miou_to_control"],
        ),
        Target.at_most(
            f"{title}: mean latency input-dependent / final exit", 0.7, leaving["ms"] / final["ms"]
        ),
        Target.at_least(
            f"{title}: mIoU input-dependent to final exit, points",
            -0.5,
            100 * (leaving["miou"] - final["miou"]),
        ),
        Target.at_most(
            f"{title}: size of the bundle without other heads / the largest single tier",
            1.15,
            (made.bundle.stat().st_size - made.head_bytes) / made.largest,
        ),
    ]
    small = [row for row in rows if row["kind"] == "small, alone"]
    if small:
        as_fast = [row for row in running if row["ms"] <= small[0]["ms"]]
        targets.append(
            Target.at_least(
                f"{title}: mIoU to a small network of the same latency trained alone, points",
                5.33,
                100 * (max((row["miou"] for row in as_fast), default=0.0) - small[0]["miou"]),
            )
        )
    return targets


def draw_rows(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    """MIoU against latency, both int8: one shape a setting, one colour a family."""
    families = list(dict.fromkeys(row["family"] for row in rows))
    shapes = {"exit": "o", "final": "s", "input-dependent": "*"}
    for place, family in enumerate(families):
        for kind, shape in shapes.items():
            own = [
                row
                for row in rows
                if (row["family"], row["kind"]) == (family, "own")
                and row["setting"].startswith(kind)
            ]
            axes.plot(
                [row["ms"] for row in own],
                [100 * row["miou"] for row in own],
                shape,
                color=f"C{place}",
                alpha=0.8,
                markersize=11 if shape == "*" else 6,
                label=f"{family}, {kind}" if kind != "exit" else f"{family}, early exits",
            )
        for row in rows:
            if row["family"] == family and row["kind"] != "own":
                place_of = (row["ms"], 100 * row["miou"])
                axes.plot(*place_of, "x", color=f"C{place}", markersize=9)
                axes.annotate(
                    row["kind"], place_of, xytext=(6, -4), textcoords="offset points", fontsize=8
                )
    axes.set_xlabel("median latency, int8, one thread, ms")
    axes.set_ylabel("mIoU, int8, percent")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
