"""8 bits on CamVid: quantized after training, quantization-aware and integer training.

Every tier of U-Net+PTA goes on from one float network for the same steps in float32, quantization-
aware and in integers (arXiv 2011.14504); its int8 files are scored. The paper's two networks train
from nothing, in float32 and in integers, with and without the magnitude of their gradients.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from kit.data import open_dataset
from kit.networks.presets import ADAPTIVE_UNET
from kit.training import Recipe
from mobile_export.benchmark import machine
from mobile_export.evaluation import TierScore, evaluate_bundle
from mobile_export.experiments.exported import exported, finished
from mobile_export.experiments.integer_runs import (
    DEEPLAB,
    DISCARDED,
    FCN,
    FLOAT,
    KEPT,
    SCALES,
    UNET,
    VARIANTS,
    Scale,
    jobs,
    recipe_of,
)
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.runs import scored
from mobile_export.experiments.settings import Settings
from mobile_export.experiments.step_times import step_times
from mobile_export.metadata import versions
from mobile_export.steps import Steps
from mobile_export.tables import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "integer_camvid"


def _hundredths(share: float) -> str:
    return f"{100 * share:.2f}"


def _signed(difference: float) -> str:
    return f"{100 * difference:+.2f}"


COLUMNS = (
    Column("network", "network"),
    Column("tier", "tier"),
    Column("trained in", "arithmetic"),
    Column("seeds", "seeds"),
    Column("mIoU", "miou", _hundredths),
    Column("Dice", "dice", _hundredths),
    Column("to float32", "to_float", _signed),
    Column("least", "least_to_float", _signed),
    Column("most", "most_to_float", _signed),
    Column("int8 file mIoU", "int8_miou", _hundredths),
    Column("int8 file Dice", "int8_dice", _hundredths),
    Column("its mIoU to float32", "int8_to_float", _signed),
)


def run(settings: Settings) -> Results:
    """Trains, scores and times every variant; runs that are in `settings.out` are used again.

    Raises:
        InputError: the data are missing, or `settings.out` holds a training of another recipe.
        VerificationError: a bundle fails a check.
    """
    scale = SCALES[settings.scale]
    steps = Steps(3)
    todo = jobs(settings)
    steps.begin("train", f"{len(todo)} runs, and their scores on the test split")
    scores = side_by_side(scored, todo)
    by_variant = {name: [made for made in scores if made["variant"] == name] for name in VARIANTS}
    steps.begin("export", "U-Net+PTA in int8, and its scores")
    int8 = {
        name: _int8_scores(recipe_of(name, settings), scale, settings)
        for name, variant in VARIANTS.items()
        if variant.network == UNET
    }
    rows = _rows(by_variant, int8)
    steps.begin("step times", "training steps in turns, all threads")
    timed = {network: _timed(network, scale, settings) for network in (UNET, FCN, DEEPLAB)}
    about = {
        "command": settings.command(NAME),
        "seeds": sorted({seed for _, _, seed, _ in todo}),
        "data": f"{todo[0][0].data} test, each label map at its own size",
        "epochs": {
            variant.network: recipe_of(name, settings).epochs for name, variant in VARIANTS.items()
        },
        "trained with": {
            variant.network: by_variant[name][0]["made_on"] for name, variant in VARIANTS.items()
        },
        "to float32": "points of mIoU to the same steps in float32, mean, least and most of the "
        "seeds",
        "ratio of step times to float32": {
            network: {name: figures["ratio"] for name, figures in of_network.items()}
            for network, of_network in timed.items()
        },
        "machine": machine(threads=os.cpu_count() or 1),
        "versions": versions(),
    }
    return Results(
        name=NAME,
        title=f"8 bits in training and inference on {todo[0][0].data}, {settings.scale} scale",
        columns=COLUMNS,
        rows=rows,
        targets=_targets(rows, timed),
        about=about,
        draw=lambda axes: _draw(axes, rows),
        details={"runs": scores, "step_times": timed},
    )


# === Making ===


def _int8_scores(recipe: Recipe, scale: Scale, settings: Settings) -> tuple[TierScore, ...]:
    """Exports a network that has been trained, in its own arithmetic, and scores the file."""
    bundle = settings.out / f"{recipe.name}_{settings.seed}" / f"{recipe.name}.tflite"
    exported(finished(recipe, settings.out, settings.seed), bundle, recipe, scale)
    return evaluate_bundle(bundle, open_dataset(recipe.data, "test", **recipe.data_options)).scores


def _timed(network: str, scale: Scale, settings: Settings) -> dict[str, dict[str, float]]:
    """Seconds of a step by variant, and how often that of float32; U-Net+PTA's in `heavy`."""
    changes: dict[str, Any] = {"crop_size": scale.step_crops[network]}
    if network == UNET:
        changes |= {"initial": None, "configurations": {"heavy": ADAPTIVE_UNET["heavy"]}}
    names = [name for name, variant in VARIANTS.items() if variant.network == network]
    recipes = [replace(recipe_of(name, settings), **changes) for name in names]
    seconds = step_times(recipes, rounds=scale.rounds, steps=2)
    return {
        VARIANTS[name].arithmetic: {
            "median_s": round(median(of_one), 4),
            "least_s": round(min(of_one), 4),
            "most_s": round(max(of_one), 4),
            "ratio": round(median(of_one) / median(seconds[0]), 3),
        }
        for name, of_one in zip(names, seconds, strict=True)
    }


# === Figures ===


def _rows(
    by_variant: Mapping[str, list[dict[str, Any]]], int8: Mapping[str, tuple[TierScore, ...]]
) -> list[dict[str, Any]]:
    """A row a network, tier and arithmetic; means over seeds, differences seed by seed."""
    floats = {
        variant.network: by_variant[name]
        for name, variant in VARIANTS.items()
        if variant.arithmetic == FLOAT
    }
    rows = []
    for network, of_float in floats.items():
        for tier in of_float[0]["miou"]:
            for name, variant in VARIANTS.items():
                if variant.network != network:
                    continue
                made = by_variant[name]
                row = {
                    "network": network,
                    "tier": tier,
                    "arithmetic": variant.arithmetic,
                    "seeds": len(made),
                    "miou": round(mean(run["miou"][tier] for run in made), 5),
                    "dice": round(mean(run["dice"][tier] for run in made), 5),
                }
                if variant.arithmetic != FLOAT:
                    differences = [
                        run["miou"][tier] - other["miou"][tier]
                        for run in made
                        for other in of_float
                        if run["seed"] == other["seed"]
                    ]
                    row |= {
                        "to_float": round(mean(differences), 5),
                        "least_to_float": round(min(differences), 5),
                        "most_to_float": round(max(differences), 5),
                    }
                for score in int8.get(name, ()):
                    if score.tier == tier:
                        row |= {
                            "int8_miou": round(score.miou, 5),
                            "int8_dice": round(score.dice, 5),
                            "int8_to_float": round(score.miou - of_float[0]["miou"][tier], 5),
                        }
                rows.append(row)
    return rows


def _targets(
    rows: list[dict[str, Any]], timed: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> list[Target]:
    def drop(network: str, arithmetic: str, key: str) -> float:
        """The largest of the network's tiers, points."""
        return max(
            -100 * row[key]
            for row in rows
            if (row["network"], row["arithmetic"]) == (network, arithmetic)
        )

    def slowest(kind: str) -> float:
        return max(
            figures["ratio"]
            for of_network in timed.values()
            for name, figures in of_network.items()
            if name.startswith(kind)
        )

    fcn = {kind: drop(FCN, kind, "to_float") for kind in (DISCARDED, KEPT)}
    return [
        Target.at_most("PTQ, largest drop of a tier, points", 0.6, drop(UNET, FLOAT, _INT8)),
        Target.at_most("QAT, largest drop of a tier, points", 0.2, drop(UNET, "qat", _INT8)),
        Target.at_most(
            "integer DeepLabV3-ResNet50, drop, points", 0.41, drop(DEEPLAB, KEPT, "to_float")
        ),
        Target.at_most("integer FCN-VGG16, drop, points", 2.05, fcn[DISCARDED]),
        Target.at_least(
            "FCN-VGG16, magnitude discarded to kept, points", 5.0, fcn[KEPT] - fcn[DISCARDED]
        ),
        Target.at_most("step of QAT / float32", 1.6, slowest("qat")),
        Target.at_most("slowest integer step / float32", 3.0, slowest("integer")),
    ]


_INT8 = "int8_to_float"


def _draw(axes: "Axes", rows: list[dict[str, Any]]) -> None:
    """MIoU of U-Net+PTA's tiers: in float32, and of the int8 files."""
    tiers = list(dict.fromkeys(row["tier"] for row in rows if row["network"] == UNET))
    found = {(row["tier"], row["arithmetic"]): row for row in rows if row["network"] == UNET}
    series = {
        "float32": [found[tier, FLOAT]["miou"] for tier in tiers],
        "int8, quantized after training": [found[tier, FLOAT]["int8_miou"] for tier in tiers],
        "int8, quantization-aware training": [found[tier, "qat"]["int8_miou"] for tier in tiers],
        "int8, integer training": [found[tier, KEPT]["int8_miou"] for tier in tiers],
    }
    width = 0.8 / len(series)
    for place, (label, values) in enumerate(series.items()):
        offset = (place - (len(series) - 1) / 2) * width
        axes.bar(
            [index + offset for index in range(len(tiers))],
            [100 * value for value in values],
            width,
            label=label,
        )
    least = min(100 * value for values in series.values() for value in values)
    axes.set_ylim(bottom=max(0.0, least - 5))
    axes.set_xticks(range(len(tiers)), tiers)
    axes.set_ylabel("mIoU, percent")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small", loc="upper left")
