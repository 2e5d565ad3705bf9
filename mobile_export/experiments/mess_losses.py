"""Which loss teaches the heads of MESS (arXiv 2106.03527) best: its second stage, mode by mode.

The paper names positive filtering distillation and gives no formula. Every mode trains new heads on
the same trunk, that of the first stage of `mess_camvid`, for the same steps on the same data order;
scored on the validation split.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING, Any

from kit.training import Recipe
from kit.training.filtered_distillation import MODES
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.runs import scored, trained
from mobile_export.experiments.settings import Settings
from mobile_export.metadata import versions
from mobile_export.tables import Column, percent, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "mess_losses"
TRUNK = "camvid_deeplab"
BASE = "ce"


@dataclass(frozen=True)
class Scale:
    """How large the study is.

    Args:
        trunk: fields that differ from the recipe of the trunk.
        recipe: fields that differ from the recipe of the heads.
        seeds: runs of each mode.
    """

    trunk: Mapping[str, Any]
    recipe: Mapping[str, Any]
    seeds: int


_HEADS = {"heads": ("fcn-r2",)}
SCALES = {
    "quick": Scale(
        {"epochs": 1, "crop_size": (96, 128)},
        {**_HEADS, "epochs": 1, "crop_size": (96, 128)},
        seeds=1,
    ),
    # 1 shows the whole image in the crop; the device sees it at 480 / 160 = 3.
    "full": Scale(
        {},
        {**_HEADS, "epochs": 4, "crop_size": (128, 160), "augmentation": {"scale": [1.4, 4.0]}},
        seeds=2,
    ),
}


def run(settings: Settings) -> Results:
    """Trains and scores every mode; runs that are in `settings.out` are used again.

    Raises:
        InputError: the data are missing, or `settings.out` holds a training of another recipe.
    """
    scale = SCALES[settings.scale]
    trunk = replace(Recipe.load(TRUNK), **scale.trunk)
    base = replace(
        Recipe.load(f"{TRUNK}_heads"),
        initial=str(settings.out / trunk.name / "network.keras"),
        **scale.recipe,
    )
    if settings.data:
        trunk, base = replace(trunk, data=settings.data), replace(base, data=settings.data)
    side_by_side(trained, [(trunk, settings.out / trunk.name, settings.seed)])
    seeds = [settings.seed + index for index in range(scale.seeds)]
    jobs = [
        (replace(base, name=mode, head_loss={"mode": mode}), settings.out, seed)
        for seed in seeds
        for mode in MODES
    ]
    scores = side_by_side(scored, jobs)
    by_mode = {mode: [run for run in scores if run["variant"] == mode] for mode in MODES}
    exits = [tier for tier in scores[0]["miou"] if "_exit" in tier]
    rows = [_row(mode, runs, by_mode[BASE], exits) for mode, runs in by_mode.items()]
    about = {
        "command": settings.command(NAME),
        "seeds": seeds,
        "data": f"{base.data} val, float",
        "crop_size": list(base.crop_size),
        "epochs": base.epochs,
        "final_exit_miou": scores[0]["miou"][exits[0].partition("_exit")[0]],
        "versions": versions(),
    }
    return Results(
        name=NAME,
        title=f"Losses of the heads of early exits, {settings.scale} scale",
        columns=[
            Column("mode", "mode"),
            *(Column(f"exit {tier.partition('_exit')[2]} mIoU", tier, percent) for tier in exits),
            Column("mean mIoU", "mean", percent),
            Column(f"to {BASE}, seed by seed", "to_base", points),
            Column("least", "least_to_base", points),
            Column("most", "most_to_base", points),
        ],
        rows=rows,
        targets=[
            Target.at_least(
                "positive filtering (pfd_ce) to plain cross-entropy, mean mIoU, points",
                0.0,
                100 * next(row["to_base"] for row in rows if row["mode"] == "pfd_ce"),
            )
        ],
        about=about,
        draw=lambda axes: _draw(axes, rows, exits),
        details={"runs": scores},
    )


def _row(
    mode: str,
    runs: list[dict[str, Any]],
    base: list[dict[str, Any]],
    exits: list[str],
) -> dict[str, Any]:
    """Means over the seeds; differences are taken seed by seed."""
    means = [mean(run["miou"][tier] for tier in exits) for run in runs]
    differences = [
        own - mean(run["miou"][tier] for tier in exits)
        for own, run in zip(means, base, strict=True)
    ]
    return {
        "mode": mode,
        **{tier: round(mean(run["miou"][tier] for run in runs), 5) for tier in exits},
        "mean": round(mean(means), 5),
        "to_base": round(mean(differences), 5),
        "least_to_base": round(min(differences), 5),
        "most_to_base": round(max(differences), 5),
    }


def _draw(axes: "Axes", rows: list[dict[str, Any]], exits: list[str]) -> None:
    """MIoU of every exit, a line a mode."""
    for row in rows:
        axes.plot(
            [f"exit {tier.partition('_exit')[2]}" for tier in exits],
            [100 * row[tier] for tier in exits],
            "o-",
            label=row["mode"],
        )
    axes.set_ylabel("mIoU, float, percent")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
