"""What a search for exits found, as text and picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kit.search import Candidate, ExitPlan
from mobile_export.runtime.files import replacing
from mobile_export.tables import Column, millions, milliseconds, percent, text_table

_FRONT_ROWS = 12

_COSTS = {
    "latency_ms": ("ms", milliseconds),
    "macs": ("M MACs", millions),
    "size_bytes": ("MB weights", lambda size: f"{size / 1e6:.2f}"),
    "memory_bytes": ("MB activations", lambda size: f"{size / 1e6:.2f}"),
}
"""Cost -> its title and how it is shown."""


def plan_text(plan: ExitPlan) -> str:
    """The choice beside final-only, how it is deployed, and the front."""
    baseline = plan.search["baseline"]
    rows = [
        _row(f"final-only {baseline['configuration']}, first half", baseline["first_half"]),
        _row(f"chosen {plan.configuration}, first half", plan.chosen.to_dict()),
        *(
            _row(f"chosen {plan.configuration}, {_words(name)}", item.to_dict())
            for name, item in plan.report.items()
        ),
    ]
    columns = (
        Column("", "title"),
        Column("mIoU", "miou", percent),
        Column("drop", "drop", lambda drop: f"{drop:+.2f}"),
        *(Column(title, name, show) for name, (title, show) in _COSTS.items()),
        Column("worst ms", "worst_ms", milliseconds),
        Column("leaving at each exit, %", "shares"),
    )
    return "\n".join(
        [
            text_table(columns, rows),
            "mIoU in percent, drop in points against final-only on the same images, costs in the "
            "mean over images",
            "",
            *_deployment(plan),
            "",
            *_front(plan),
        ]
    )


def draw_plan(plan: ExitPlan, path: Path) -> None:
    """Writes a picture of quality against mean cost; it appears whole or not at all.

    Args:
        plan: what was found.
        path: the picture, PNG.
    """
    # Not through pyplot, which would choose a backend with windows for the whole process.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    cost = plan.constraints["cost"]
    title = "mean latency, int8, ms" if cost == "latency_ms" else f"mean {cost}"
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    front = plan.search["front"]
    for name in plan.search["configurations"]:
        own = [item for item in front if item["configuration"] == name]
        axes.plot(
            [item["mean"][cost] for item in own],
            [100 * _quality(item) for item in own],
            ".",
            label=f"{name}: front",
        )
    baseline = plan.search["baseline"]
    marks: list[tuple[str, str, Mapping[str, Any]]] = [
        ("ks", f"final-only {baseline['configuration']}", baseline["first_half"]),
        ("r*", f"chosen: {plan.configuration}, {plan.setting}", plan.chosen.to_dict()),
    ]
    for shape, (name, scored) in zip(("r^", "rv", "r<"), plan.report.items(), strict=False):
        marks.append((shape, f"the same, {_words(name)}", scored.to_dict()))
    for shape, label, content in marks:
        axes.plot(
            content["mean"][cost],
            100 * _quality(content),
            shape,
            label=label,
            markersize=12 if shape == "r*" else 7,
        )
    axes.set_xlabel(title)
    axes.set_ylabel("mIoU, percent")
    axes.margins(0.08)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with replacing(path) as partial:
        figure.savefig(partial, format="png", dpi=150)


def _row(title: str, candidate: Mapping[str, Any]) -> dict[str, Any]:
    worst = candidate["worst"].get("latency_ms")
    return {
        "title": title,
        "miou": candidate["miou"],
        "drop": candidate["drop"],
        **candidate["mean"],
        "worst_ms": worst,
        "shares": " / ".join(percent(share) for share in candidate["shares"]),
    }


def _deployment(plan: ExitPlan) -> list[str]:
    """How the choice is deployed, one line an exit."""
    chosen = plan.chosen
    lines = [f"{plan.configuration}, {plan.setting}"]
    for place, (exit_, number) in enumerate(zip(plan.exits, chosen.exits, strict=True), start=1):
        line = f"  exit {place}: {exit_['head']} after {exit_['after']} blocks (candidate {number})"
        if chosen.policies:
            policy = chosen.policies[place - 1]
            edges = " with edges" if policy.edge_aware else ""
            line += (
                f", pixels sure from {policy.measure} {policy.pixel_threshold:g}{edges}, "
                f"leaves from {chosen.image_thresholds[place - 1]:.3f}"
            )
        lines.append(line)
    return lines


def _front(plan: ExitPlan) -> list[str]:
    """The front, thinned out."""
    front = plan.search["front"]
    cost = plan.constraints["cost"]
    count = min(len(front), _FRONT_ROWS)
    shown = [front[round(k * (len(front) - 1) / max(count - 1, 1))] for k in range(count)]
    title, show = _COSTS.get(cost, (cost, lambda value: f"{value:g}"))
    rows = [
        {
            "configuration": item["configuration"],
            "setting": item["setting"],
            "exits": ", ".join(_exit_name(plan, number) for number in item["exits"]) or None,
            "quality": _quality(item),
            "drop": item["drop"],
            "cost": item["mean"][cost],
        }
        for item in shown
    ]
    columns = (
        Column("configuration", "configuration"),
        Column("setting", "setting"),
        Column("exits", "exits"),
        Column("mIoU", "quality", percent),
        Column("drop", "drop", lambda drop: f"{drop:+.2f}"),
        Column(f"mean {title}", "cost", show),
    )
    search = plan.search
    return [
        f"front: {count} of {len(front)} of {search['count']} candidates in "
        f"{search['seconds']:.1f} s",
        text_table(columns, rows),
    ]


def _exit_name(plan: ExitPlan, number: int) -> str:
    exit_ = plan.network["exits"][number - 1]
    return f"{exit_['head']}@{exit_['after']}"


def _quality(candidate: Mapping[str, Any]) -> float:
    return Candidate.from_dict({k: v for k, v in candidate.items() if k != "configuration"}).quality


def _words(name: str) -> str:
    return name.replace("_", " ")
