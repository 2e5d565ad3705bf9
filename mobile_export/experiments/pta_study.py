"""How U-Net+PTA is best trained: each factor of the recipe varied alone, on CamVid.

The paper (arXiv 2301.06358) leaves the recipe open. Small runs, the same number of optimizer steps
and the same data order in all; scored on the validation split, so that nothing here is chosen on
the images by which `pta_camvid` is judged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING, Any

from kit.training import Recipe
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.runs import scored
from mobile_export.experiments.settings import Settings
from mobile_export.metadata import versions
from mobile_export.tables import Column, percent, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "pta_study"


@dataclass(frozen=True)
class Variant:
    """One recipe of the study.

    Args:
        factor: what is varied; nothing in `base` and `plain`.
        changes: fields that differ from the base recipe.
    """

    factor: str
    changes: Mapping[str, Any]


BASE = "base"
PLAIN = "plain"
# The presets and the decoder that the study was made with; what it showed went into those of today.
_HEAVY = "h" * 16
_PRESETS = {
    "light": "hlhllhlllhllhllh" + "llls",
    "quick": _HEAVY + "llls",
    "medium": _HEAVY + "llll",
    "balanced": _HEAVY + "hhll",
    "strong": _HEAVY + "hhhh",
    "heavy": _HEAVY + "bbbb",
}
# Every light branch of the encoder that there is, strided blocks included.
_SLIM = {**_PRESETS, "light": "l" * 16 + "llls"}
_DRAWS = dict.fromkeys(_PRESETS, 1.0)

VARIANTS: Mapping[str, Variant] = {
    PLAIN: Variant("", {"adaptive": False}),
    BASE: Variant("", {}),
    "distillation": Variant("distillation", {"distillation": 1.0}),
    "warm start 0.6": Variant("warm start", {"warm_up": 0.6}),
    "no warm start": Variant("warm start", {"warm_up": 0.0}),
    "heavy 3x": Variant("draws", {"draw_weights": {**_DRAWS, "heavy": 3.0}}),
    "light 3x": Variant("draws", {"draw_weights": {**_DRAWS, "light": 3.0}}),
    "slim strided blocks": Variant("light branch", {"light_expansion": 3, "configurations": _SLIM}),
    "warm start 0.6 with distillation": Variant(
        "warm start and distillation", {"warm_up": 0.6, "distillation": 1.0}
    ),
}


@dataclass(frozen=True)
class Scale:
    """How large the study is.

    Args:
        recipe: fields that differ from the recipe `camvid` in every variant, the base included.
        seeds: runs of each variant.
    """

    recipe: Mapping[str, Any]
    seeds: int


_BASE = {
    "configurations": _PRESETS,
    "decoder_widths": (192, 96, 48, 32),
    "class_balance": 0.5,
    "warm_up": 0.3,
    "distillation": 0.0,
    "draw_weights": {},
}
SCALES = {
    "quick": Scale(
        {**_BASE, "epochs": 1, "crop_size": (96, 128), "augmentation": {"scale": [1.8, 4.6]}},
        seeds=1,
    ),
    # 1 shows the whole image in the crop; the device sees it at 480 / 160 = 3.
    "full": Scale(
        {**_BASE, "epochs": 8, "crop_size": (128, 160), "augmentation": {"scale": [1.4, 4.0]}},
        seeds=1,
    ),
}


def run(settings: Settings) -> Results:
    """Trains and scores every variant; runs that are in `settings.out` are used again.

    Raises:
        InputError: the data are missing, or `settings.out` holds a training of another recipe.
    """
    scale = SCALES[settings.scale]
    base = replace(Recipe.load("camvid"), **scale.recipe)
    if settings.data:
        base = replace(base, data=settings.data)
    seeds = [settings.seed + index for index in range(scale.seeds)]
    jobs = [
        (replace(base, name=name.replace(" ", "_"), **variant.changes), settings.out, seed)
        for seed in seeds
        for name, variant in VARIANTS.items()
    ]
    scores = side_by_side(scored, jobs)
    by_variant = {
        name: [
            score
            for (recipe, _, _), score in zip(jobs, scores, strict=True)
            if recipe.name == name.replace(" ", "_")
        ]
        for name in VARIANTS
    }
    rows = [_row(name, runs, by_variant[PLAIN]) for name, runs in by_variant.items()]
    about = {
        "command": settings.command(NAME),
        "seeds": seeds,
        "data": f"{base.data} val, float",
        "crop_size": list(base.crop_size),
        "image_size": list(base.image_size),
        "epochs": base.epochs,
        "versions": versions(),
    }
    tiers = list(scores[jobs.index(next(job for job in jobs if job[0].adaptive))]["dice"])
    return Results(
        name=NAME,
        title=f"How U-Net+PTA is trained, one factor at a time, {settings.scale} scale",
        columns=[
            Column("variant", "variant"),
            Column("factor", "factor"),
            *(Column(f"{tier} Dice", tier, percent) for tier in tiers),
            Column("mean Dice", "mean_dice", percent),
            Column("spread of the mean", "spread", points),
            Column("worst to plain", "worst_to_plain", points),
            Column("time to plain", "time_to_plain", lambda ratio: f"{ratio:.2f}x"),
        ],
        rows=rows,
        targets=[
            Target.at_least(
                "worst tier of the best recipe above plain, Dice, points",
                0.0,
                max(100 * row["worst_to_plain"] for row in rows if row["variant"] != PLAIN),
            )
        ],
        about=about,
        draw=lambda axes: _draw(axes, rows, tiers),
        details={"runs": scores},
    )


def _row(variant: str, runs: list[dict[str, Any]], plain: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over the seeds; the differences are taken seed by seed."""
    means = [mean(run["dice"].values()) for run in runs]
    return {
        "variant": variant,
        "factor": VARIANTS[variant].factor,
        **{tier: round(mean(run["dice"][tier] for run in runs), 5) for tier in runs[0]["dice"]},
        "mean_dice": round(mean(means), 5),
        "spread": round(max(means) - min(means), 5),
        "worst_to_plain": round(
            mean(
                min(run["dice"].values()) - other["dice"]["plain"]
                for run, other in zip(runs, plain, strict=True)
            ),
            5,
        ),
        "time_to_plain": round(
            mean(run["wall_s"] for run in runs) / mean(run["wall_s"] for run in plain), 3
        ),
    }


def _draw(axes: "Axes", rows: list[dict[str, Any]], tiers: list[str]) -> None:
    """Dice of every tier, a line a variant."""
    plain, *others = rows
    axes.axhline(100 * plain["plain"], color="black", linestyle="--", label=PLAIN)
    for row in others:
        axes.plot(tiers, [100 * row[tier] for tier in tiers], "o-", label=row["variant"])
    axes.set_ylabel("mean Dice, float, percent")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
