"""J-Net (arXiv 2403.05340) on LGG MRI: small images in, masks of 256x256 out.

An ELU-Net on images of 16, 32 and 64 pixels a side is trained with J-Net's tail and with controls
that tell what its gain comes from: labels as small as the images, and logits enlarged afterwards;
the same losses at high resolution behind bilinear interpolation, which has no parameters; a pixel
shuffle.
All have the same steps on the same data; all become int8 files that are scored and timed in turns.
"""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np

from kit import AdaptiveNetwork, ELUNet
from kit.data import Dataset, open_dataset
from kit.training import Recipe
from mobile_export.benchmark import in_turns, machine
from mobile_export.candidate import Candidate
from mobile_export.experiments.exported import exported, finished
from mobile_export.experiments.j_net_runs import (
    BILINEAR,
    CONTROLS,
    J_NET,
    LOW,
    OUTPUT,
    SCALES,
    SHUFFLE,
    Scale,
    jobs,
    name_of,
    recipe_of,
    scores_of,
)
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.runs import scored
from mobile_export.experiments.settings import Settings
from mobile_export.exporter import export
from mobile_export.metadata import versions
from mobile_export.runtime import Segmenter
from mobile_export.sampling import spread
from mobile_export.steps import Steps
from mobile_export.tables import Column, percent, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "j_net_lgg"
BASE = "low-resolution labels, pixels repeated"
"""The network of `LOW` without its tail: its file gives masks as small as the images."""
FULL = "full resolution, not trained"
"""Timed alone."""

_EXPORTED = (LOW, J_NET, BILINEAR, SHUFFLE)


def _rate(frames: float) -> str:
    return f"{frames:.0f}"


COLUMNS = (
    Column("images", "side"),
    Column("what", "control"),
    Column("parameters", "parameters"),
    Column("of the tail", "tail_parameters"),
    Column("seeds", "seeds"),
    Column("Dice", "dice", percent),
    Column("to low-resolution labels", "to_low", points),
    Column("least", "least_to_low", points),
    Column("most", "most_to_low", points),
    Column("IoU", "iou", percent),
    Column("Dice of a patient", "patient_dice", percent),
    Column("int8 file Dice", "int8_dice", percent),
    Column("int8 frames/s", "fps", _rate),
    Column("slowest tenth", "low_fps", _rate),
    Column("fastest tenth", "high_fps", _rate),
)


def run(settings: Settings) -> Results:
    """Trains, scores, exports and times every network; runs in `settings.out` are used again.

    Raises:
        InputError: the data are missing, or `settings.out` holds a training of another recipe.
        VerificationError: a bundle fails a check.
    """
    scale = SCALES[settings.scale]
    steps = Steps(3)
    todo = jobs(settings)
    steps.begin("train", f"{len(todo)} runs, and their scores on the test split")
    scores = side_by_side(scored, todo)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for made in scores:
        by_name.setdefault(made["variant"], []).append(made)
    steps.begin("export", "int8 files, and their scores")
    int8 = _int8(scale, settings)
    steps.begin("time", "int8 files in turns, one thread")
    timed = _timed({key: found["path"] for key, found in int8.items()}, scale.rounds)
    rows = _rows(scale, by_name, int8, timed)
    recipe = todo[0][0]
    about = {
        "command": settings.command(NAME),
        "seeds": sorted({seed for _, _, seed, *_ in todo}),
        "data": f"{recipe.data} test, {scores[0]['patients']} patients of whom none was trained on",
        "scored": "the tumour, on labels of their own size: over all pixels of the split; the mean "
        "of patients, over the pixels of each; int8 files are those of the first seed; files whose "
        "masks are small are timed without enlarging them",
        "network": f"ELU-Net, {round(16 * recipe.width)} channels in its first block; tails work "
        "on the one logit that two classes have",
        "training": f"{recipe.epochs} epochs, batches of {recipe.batch_size}, Adam at "
        f"{recipe.learning_rate:g}; of the slices without tumour the share "
        f"{recipe.data_options.get('empty_share', 1)}",
        "trained with": scores[0]["made_on"],
        "relative gain of J-Net's Dice, percent": {
            str(side): _relative(rows, side) for side in scale.seeds
        },
        "machine": machine(threads=1),
        "versions": versions(),
    }
    return Results(
        name=NAME,
        title=f"J-Net on {recipe.data}: masks of {OUTPUT}x{OUTPUT}, {settings.scale} scale",
        columns=COLUMNS,
        rows=rows,
        targets=_targets(rows, list(scale.seeds)),
        about=about,
        draw=lambda axes: _draw(axes, rows),
        details={"runs": scores},
    )


# === Making ===


def _int8(scale: Scale, settings: Settings) -> dict[tuple[int, str], dict[str, Any]]:
    """Side and control -> path of its int8 file, Dice of that, and parameters."""
    found = {}
    for side, of_side in scale.seeds.items():
        for control in (name for name in _EXPORTED if name in of_side):
            recipe = recipe_of(side, control, settings)
            folder = settings.out / f"{recipe.name}_{settings.seed}"
            network = finished(recipe, settings.out, settings.seed)
            found[side, control] = _exported(network, folder, recipe, scale)
            if control == LOW:
                found[side, BASE] = _exported(network.without_tail(), folder, recipe, scale)
    return {**found, (OUTPUT, FULL): _full(scale, settings)}


def _exported(
    network: AdaptiveNetwork, folder: Path, recipe: Recipe, scale: Scale
) -> dict[str, Any]:
    bundle = folder / f"{recipe.name}{'' if network.tail else '_base'}.tflite"
    exported(network, bundle, recipe, scale)
    return {
        "path": bundle,
        "parameters": network.profile(network.default_tier).parameters,
        "tail_parameters": sum(tail.parameters for tail in network.tails),
        "scores": _int8_scores(bundle, open_dataset(recipe.data, "test", **recipe.data_options)),
    }


def _int8_scores(bundle: Path, dataset: Dataset) -> dict[str, Any]:
    segmenter = Segmenter(bundle, threads=1, warm_up="none")
    tier = segmenter.tiers[-1]
    images = (dataset.image(index) for index in range(len(dataset)))
    return scores_of((segmenter(image, tier).mask for image in images), dataset)


def _full(scale: Scale, settings: Settings) -> dict[str, Any]:
    """The same network on images of the masks' size: untrained, for its time alone."""
    recipe = recipe_of(next(iter(scale.seeds)), BILINEAR, settings)
    dataset = open_dataset(recipe.data, "train", **recipe.data_options)
    network = ELUNet(len(dataset.classes), (OUTPUT, OUTPUT), recipe.width)
    settings.out.mkdir(parents=True, exist_ok=True)
    bundle = settings.out / "full.tflite"
    export(network, bundle, spread(dataset, 2), labels=dataset.classes, min_agreement=0.0)
    return {"path": bundle, "parameters": network.profile("plain").parameters}


def _timed(
    files: Mapping[tuple[int, str], Path], rounds: int
) -> dict[tuple[int, str], dict[str, float]]:
    """Frames a second of each file, in turns: median, slowest and fastest tenth of the calls."""
    candidates = [Candidate(str(path), "plain", threads=1) for path in files.values()]
    times = in_turns(candidates, rounds)
    return {
        key: {
            name: round(1000 / float(np.percentile(of_file, share)), 1)
            for name, share in (("fps", 50), ("low_fps", 90), ("high_fps", 10))
        }
        for key, of_file in zip(files, times, strict=True)
    }


# === Figures ===


def _rows(
    scale: Scale,
    by_name: Mapping[str, list[dict[str, Any]]],
    int8: Mapping[tuple[int, str], Mapping[str, Any]],
    timed: Mapping[tuple[int, str], Mapping[str, float]],
) -> list[dict[str, Any]]:
    """A row a size and control; means over seeds, differences seed by seed."""
    rows = []
    for side in (*scale.seeds, OUTPUT):
        for control in (BASE, *CONTROLS, FULL):
            made = _made(side, control, by_name)
            file = int8.get((side, control), {})
            if not made and not file:
                continue
            row = {"side": side, "control": control, **timed.get((side, control), {})}
            row |= {key: file[key] for key in _COUNTS if key in file}
            if "scores" in file:
                row["int8_dice"] = file["scores"]["dice"]
            if made:
                row |= _means(made, by_name[name_of(side, LOW)], is_low=control == LOW)
            rows.append(row)
    return rows


_COUNTS = ("parameters", "tail_parameters")


def _made(
    side: int, control: str, by_name: Mapping[str, list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Scores of each seed."""
    if control == BASE:
        low = by_name.get(name_of(side, LOW), [])
        return [{**run["repeated"], "seed": run["seed"]} for run in low]
    return by_name.get(name_of(side, control), []) if control in CONTROLS else []


def _means(
    made: list[dict[str, Any]], of_low: list[dict[str, Any]], *, is_low: bool
) -> dict[str, Any]:
    keys = ("dice", "iou", "patient_dice", "patient_iou")
    row: dict[str, Any] = {key: round(mean(run[key] for run in made), 5) for key in keys}
    row["seeds"] = len(made)
    if not is_low:
        differences = [
            run["dice"] - other["dice"]
            for run in made
            for other in of_low
            if run["seed"] == other["seed"]
        ]
        row |= {
            "to_low": round(mean(differences), 5),
            "least_to_low": round(min(differences), 5),
            "most_to_low": round(max(differences), 5),
        }
    return row


def _of(rows: list[dict[str, Any]], side: int, control: str) -> dict[str, Any]:
    (row,) = (row for row in rows if (row["side"], row["control"]) == (side, control))
    return row


def _relative(rows: list[dict[str, Any]], side: int) -> float | None:
    low = _of(rows, side, LOW)["dice"]
    return round(100 * (_of(rows, side, J_NET)["dice"] / low - 1), 2) if low else None


def _targets(rows: list[dict[str, Any]], sides: list[int]) -> list[Target]:
    """The paper's "+5.5 % prediction quality" is taken as points of Dice, the harder reading."""
    targets = []
    for side in sides:
        own, low = _of(rows, side, J_NET), _of(rows, side, LOW)
        lost = 100 * (1 - own["fps"] / low["fps"])
        targets += [
            Target.at_least(
                f"{side}: J-Net to low-resolution labels, Dice, points", 5.5, 100 * own["to_low"]
            ),
            Target.at_most(f"{side}: parameters of J-Net's tail", 199, own["tail_parameters"]),
            Target.at_most(f"{side}: frames that its tail costs in int8, percent", 20, lost),
        ]
    return targets


def _draw(axes: "Axes", rows: list[dict[str, Any]]) -> None:
    """Dice by the size of the images, a bar a control."""
    sides = sorted({row["side"] for row in rows if "dice" in row})
    controls = [name for name in (BASE, *CONTROLS) if any(row["control"] == name for row in rows)]
    width = 0.8 / len(controls)
    for place, control in enumerate(controls):
        offset = (place - (len(controls) - 1) / 2) * width
        found = {row["side"]: row["dice"] for row in rows if row["control"] == control}
        axes.bar(
            [index + offset for index, side in enumerate(sides) if side in found],
            [100 * found[side] for side in sides if side in found],
            width,
            label=control,
        )
    lowest = min(row["dice"] for row in rows if "dice" in row)
    axes.set_ylim(bottom=max(0.0, 100 * lowest - 10))
    axes.set_xticks(range(len(sides)), [f"{side}x{side}" for side in sides])
    axes.set_xlabel(f"images; masks of {OUTPUT}x{OUTPUT}")
    axes.set_ylabel("Dice of the tumour, percent")
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small", loc="upper left")
