"""The verb `search`: exits, heads and thresholds for a purpose."""

import json
from pathlib import Path
from typing import Any

import click

from mobile_export.policies import GRAMMAR, POLICIES, parse_policies

_SPLITS = click.Choice(["train", "val", "test"])
_ABOVE_0 = click.FloatRange(min=0, min_open=True)


@click.command()
@click.argument("network", type=click.Path(path_type=Path))
@click.option(
    "--data", required=True, metavar="DIR", help="Data set: camvid, street_scenes or a folder."
)
@click.option("--max-latency-ms", type=_ABOVE_0, help="Mean over images, int8 on this machine.")
@click.option(
    "--max-drop", type=float, help="Points of mIoU that may be lost against the final exit."
)
@click.option("--max-macs", type=_ABOVE_0, help="Mean multiply-adds of an image, billions.")
@click.option("--max-size-mb", type=_ABOVE_0, help="Weights of all that is deployed, int8.")
@click.option("--max-memory-mb", type=_ABOVE_0, help="Activations held at once, int8.")
@click.option(
    "--deadline-ms", type=_ABOVE_0, help="Worst case: an image that no early exit is sure of."
)
@click.option(
    "--objective",
    type=click.Choice(["error", "cost"]),
    help="error: best mIoU within the limits; cost: least mean latency within the drop. "
    "Defaults to cost with --max-drop, else to error.",
)
@click.option(
    "--setting",
    "settings",
    multiple=True,
    type=click.Choice(["final", "budgeted", "input-dependent", "anytime"]),
    help="Way to deploy that competes; all if not given.",
)
@click.option(
    "--configuration",
    "configurations",
    metavar="NAME",
    multiple=True,
    help="Configuration that competes; all if not given.",
)
@click.option(
    "--max-exits",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="Early exits that are deployed together at most.",
)
@click.option(
    "--policies",
    metavar=GRAMMAR,
    multiple=True,
    help="How sure pixels are told, as in top1+edges:0.8,0.9; if not given, both top1 and entropy, "
    "with and without edges, at several thresholds.",
)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--rounds",
    default=30,
    show_default=True,
    type=click.IntRange(min=1),
    help="Timed calls of each part.",
)
@click.option(
    "--split",
    default="val",
    show_default=True,
    type=_SPLITS,
    help="Chosen on its first half, reported on its second.",
)
@click.option("--report-on", type=_SPLITS, help="Split on which the choice is scored too.")
@click.option(
    "--out",
    default=Path("search.json"),
    show_default=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The plan to write, with a picture (*.png) beside it.",
)
@click.option(
    "--tables",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder where what was measured is kept and used again.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def search(
    network: Path,
    data: str,
    max_latency_ms: float | None,
    max_drop: float | None,
    max_macs: float | None,
    max_size_mb: float | None,
    max_memory_mb: float | None,
    deadline_ms: float | None,
    objective: Any,
    settings: tuple[Any, ...],
    configurations: tuple[str, ...],
    max_exits: int,
    policies: tuple[str, ...],
    threads: int,
    rounds: int,
    split: str,
    report_on: str | None,
    out: Path,
    tables: Path | None,
    as_json: bool,
) -> None:
    """Choose exits, heads and thresholds of NETWORK for a purpose, from measured tables."""
    from kit.data import open_dataset
    from kit.next_step import say_next
    from kit.search import SearchGoal
    from mobile_export.commands import load_network
    from mobile_export.exit_plan_report import draw_plan, plan_text
    from mobile_export.exit_search_run import search_exits
    from mobile_export.runtime.errors import TiersegError

    if out.suffix != ".json":
        raise TiersegError(f"`--out` must end in .json; got {out}")
    limits = {
        "latency_ms": max_latency_ms,
        "macs": max_macs and 1e9 * max_macs,
        "size_bytes": max_size_mb and 1e6 * max_size_mb,
        "memory_bytes": max_memory_mb and 1e6 * max_memory_mb,
    }
    goal = SearchGoal(
        objective=objective or ("error" if max_drop is None else "cost"),
        mean={name: limit for name, limit in limits.items() if limit is not None},
        worst={} if deadline_ms is None else {"latency_ms": deadline_ms},
        max_drop=max_drop,
        settings=settings or None,
        max_exits=max_exits,
    )
    plan = search_exits(
        load_network(network),
        open_dataset(data, split),
        goal,
        configurations=configurations or None,
        policies=parse_policies(policies) if policies else POLICIES,
        report_on=open_dataset(data, report_on) if report_on else None,
        threads=threads,
        rounds=rounds,
        tables=tables,
    )
    picture = out.with_suffix(".png")
    plan.save(out)
    draw_plan(plan, picture)
    click.echo(json.dumps(plan.to_dict(), indent=2) if as_json else plan_text(plan))
    bundle = out.with_suffix(".tflite")
    say_next(
        (out, picture),
        *("tierseg", "export", network, "--data", data, "--search", out, "--out", bundle),
    )
