"""DANCE (arXiv 2107.07706) on CamVid: data slimming, network slimming, both and neither.

Two networks are trained on the same crops for the same epochs. Data slimming drops half of the
images of less than mean detail, others in each epoch, and those that are left weigh twice; network
slimming removes channels of the modules that look at several scales. Both and neither are trained
several times as long too. What training costs is counted in pixels times multiply-adds of a pixel,
and in the measured time of its steps; what inference costs likewise, at the native size and at the
size that each image's detail asks for.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from kit.data import open_dataset
from kit.search.profiling import profile
from kit.tiers import Tier
from kit.training import Recipe
from kit.training.preparation import training_batches
from kit.training.trainer import HISTORY
from kit.training.trainer import NETWORK as NETWORK_FILE
from mobile_export.benchmark import benchmark, machine
from mobile_export.evaluation import evaluate_bundle
from mobile_export.experiments.dance_runs import (
    BOTH,
    BOTH_LONG,
    DATA,
    DEEPLAB,
    LONG,
    NEITHER,
    NEITHER_LONG,
    NETWORK,
    RIVALS,
    SCALES,
    SLIMMINGS,
    UNET,
    Scale,
    jobs,
    recipe_of,
    slimmings,
)
from mobile_export.experiments.exported import exported, finished
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.runs import scored
from mobile_export.experiments.settings import Settings
from mobile_export.experiments.step_times import step_times
from mobile_export.metadata import versions
from mobile_export.runtime import Segmenter
from mobile_export.runtime.complexity import Size
from mobile_export.steps import Steps
from mobile_export.tables import Column, milliseconds, percent, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "dance_camvid"

_TRAIN_CUT, _INFERENCE_CUT = 0.5, 0.4
_LEAST_OF_MACS = 0.8


def _saved(share: float) -> str:
    """A cost as what it is below 1."""
    return f"{100 * (share - 1):+.0f} %"


COLUMNS = (
    Column("network", "network"),
    Column("slimmed", "slimmed"),
    Column("seeds", "seeds"),
    Column("training cost", "training", _saved),
    Column("training time", "training_time", _saved),
    Column("MACs", "inference", _saved),
    Column("M parameters", "parameters", lambda count: f"{count / 1e6:.2f}"),
    Column("mIoU", "miou", percent),
    Column("to neither", "to_neither", points),
    Column("int8 mIoU", "int8_miou", percent),
    Column("int8 ms", "int8_ms", milliseconds),
    Column("by detail: MACs", "detail_inference", _saved),
    Column("its int8 mIoU", "detail_miou", percent),
    Column("its int8 ms", "detail_ms", milliseconds),
)


def run(settings: Settings) -> Results:
    """Trains, scores, exports and times every variant; what is in `settings.out` is used again.

    Raises:
        InputError: the data are missing, or `settings.out` holds a training of another recipe.
        VerificationError: a bundle fails a check.
    """
    scale = SCALES[settings.scale]
    steps = Steps(4)
    todo = jobs(settings)
    steps.begin("train", f"{len(todo)} runs, and their scores on the test split")
    runs = side_by_side(counted, todo)
    steps.begin("export", "int8 files of several input sizes, and their scores")
    int8 = {
        (network, slimming): _int8(recipe_of(network, slimming, settings), scale, settings)
        for network in (DEEPLAB, UNET)
        for slimming in (*SLIMMINGS, *LONG)
    }
    steps.begin("latency", "all files in turns, one thread")
    _time(int8, scale)
    steps.begin("step times", "training steps of each network and size, in turns, all threads")
    seconds = {network: _seconds(network, runs, scale, settings) for network in (DEEPLAB, UNET)}
    rows = _rows(runs, int8, seconds, settings)
    first = todo[0][0]
    about = {
        "command": settings.command(NAME),
        "seeds": sorted({seed for _, _, seed, _ in todo}),
        "data": f"{first.data} test, each label map at its own size",
        "image_size": list(first.image_size),
        "crop_size": list(first.crop_size),
        "epochs": first.epochs,
        "training cost": "pixels of all images of all steps, times multiply-adds of a pixel in the "
        "network of that epoch, to neither",
        "training time": "steps of each size times the median time of such a step, of the first "
        "seed, to neither",
        "shorter": "as neither, for half of the epochs",
        "long": f"for {scale.long} times as many epochs, and to neither of as many",
        "infobatch": "as data, images dropped by their last loss and not by their detail",
        "int8": "files, sizes and latencies of the first seed",
        "by detail": f"each image at one of {[*map(list, scale.input_sizes)]} or the native size, "
        "as its mean Sobel gradient asks",
        "trained with": sorted({made["made_on"] for made in runs}),
        "machine": machine(threads=1),
        "versions": versions(),
    }
    return Results(
        name=NAME,
        title=f"Data and network slimming on {first.data}, {settings.scale} scale",
        columns=COLUMNS,
        rows=rows,
        targets=_targets(rows),
        about=about,
        draw=lambda axes: _draw(axes, rows),
        # Their histories are long, and told by `cost`.
        details={"runs": [{k: v for k, v in run.items() if k != "history"} for run in runs]},
    )


# === Making ===


def counted(recipe: Recipe, out: Path, seed: int, split: str) -> dict[str, Any]:
    """As `scored`, with what training cost, from the run's record.

    Returns:
        As of `scored`, with `cost` in multiply-adds of forward passes, and `history`.
    """
    content = scored(recipe, out, seed, split)
    height, width = recipe.crop_size
    # From the file: a run that was made on another machine need not bring its network.
    history = json.loads((out / f"{recipe.name}_{seed}" / HISTORY).read_text())["epochs"]
    cost = sum(epoch["pixels"] / (height * width) * epoch["macs"] for epoch in history)
    return {**content, "cost": cost, "history": history}


def _int8(recipe: Recipe, scale: Scale, settings: Settings) -> dict[str, Any]:
    """Exports a trained network for several input sizes, and scores the file."""
    made = finished(recipe, settings.out, settings.seed)
    network = made.with_input_sizes(scale.input_sizes)
    bundle = settings.out / f"{recipe.name}_{settings.seed}" / f"{recipe.name}.tflite"
    exported(network, bundle, recipe, scale)
    test = open_dataset(recipe.data, "test", **recipe.data_options)
    native = network.default_tier.name
    scores = evaluate_bundle(bundle, test, [native], by_complexity=True)
    segmenter = Segmenter(bundle, warm_up="none")
    asked = Counter(segmenter.tier_by_complexity(test.image(i)) for i in range(len(test)))
    profiles = {tier.name: profile(network.tier(tier)) for tier in network.tiers}
    return {
        "bundle": str(bundle),
        "native": native,
        "miou": scores.scores[0].miou,
        "detail_miou": scores.by_complexity[0].miou,
        "shares": {name: count / len(test) for name, count in sorted(asked.items())},
        "macs": {name: found.macs for name, found in profiles.items()},
        "parameters": profiles[native].parameters,
    }


def _time(int8: Mapping[Any, dict[str, Any]], scale: Scale) -> None:
    """Adds the latency of each signature of each file."""
    found = benchmark([made["bundle"] for made in int8.values()], threads=1, rounds=scale.rounds)
    for made in int8.values():
        made["ms"] = {row.signature: row.p50_ms for row in found.rows if row.file == made["bundle"]}


def _seconds(
    network: str, runs: list[dict[str, Any]], scale: Scale, settings: Settings
) -> dict[str, float]:
    """Seconds of all steps of the first seed's runs, by what is slimmed."""
    by_name = {name: _of(runs, network, name, settings) for name in slimmings(network)}
    plain = recipe_of(network, NEITHER, settings)
    # What the steps of a run were made by: the whole network, or what slimming left of it.
    makers = {NEITHER: plain} | {
        name: replace(plain, initial=str(_folder(network, name, settings) / NETWORK_FILE))
        for name in (NETWORK, BOTH, BOTH_LONG)
    }
    whole = by_name[NEITHER][settings.seed]["history"][0]["macs"]
    counts: dict[str, Counter[tuple[str, Size]]] = {}
    for name, made in by_name.items():
        batches = training_batches(recipe_of(network, name, settings), settings.seed)
        counts[name] = Counter(
            (NEITHER if epoch["macs"] == whole else name, size)
            for number, epoch in enumerate(made[settings.seed]["history"])
            for size in batches.sizes(number)
        )
    step: dict[tuple[str, Size], float] = {}
    for size in sorted({size for count in counts.values() for _, size in count}):
        recipes = [replace(maker, crop_size=size) for maker in makers.values()]
        found = step_times(recipes, rounds=scale.step_rounds, steps=2)
        step |= {(name, size): median(of) for name, of in zip(makers, found, strict=True)}
    return {
        name: sum(step[key] * times for key, times in count.items())
        for name, count in counts.items()
    }


# === Figures ===


def _rows(
    runs: list[dict[str, Any]],
    int8: Mapping[tuple[str, str], dict[str, Any]],
    seconds: Mapping[str, Mapping[str, float]],
    settings: Settings,
) -> list[dict[str, Any]]:
    """A row a network and what is slimmed; means over seeds, ratios seed by seed."""
    rows = []
    for network in (DEEPLAB, UNET):
        for slimming in slimmings(network):
            neither = NEITHER_LONG if slimming in LONG else NEITHER
            made, plain = (_of(runs, network, name, settings) for name in (slimming, neither))
            pairs = [(made[seed], plain[seed]) for seed in made]
            row = {
                "network": network,
                "slimmed": slimming,
                "seeds": len(made),
                "training": mean(own["cost"] / other["cost"] for own, other in pairs),
                "training_time": seconds[network][slimming] / seconds[network][neither],
                "miou": mean(_miou(own) for own in made.values()),
                "to_neither": mean(_miou(own) - _miou(other) for own, other in pairs),
                "least_to_neither": min(_miou(own) - _miou(other) for own, other in pairs),
            }
            if (file := int8.get((network, slimming))) is not None:
                row |= _inference(file, int8[network, neither])
            rows.append({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})
    return rows


def _folder(network: str, slimming: str, settings: Settings) -> Path:
    return settings.out / f"{recipe_of(network, slimming, settings).name}_{settings.seed}"


def _of(
    runs: list[dict[str, Any]], network: str, slimming: str, settings: Settings
) -> dict[int, dict[str, Any]]:
    """The runs of a variant by seed."""
    name = recipe_of(network, slimming, settings).name
    return {made["seed"]: made for made in runs if made["variant"] == name}


def _miou(made: Mapping[str, Any]) -> float:
    (miou,) = made["miou"].values()
    return miou


def _inference(file: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """What a file costs at its native size and by detail, to the file of neither at its own."""
    native, macs, ms = file["native"], file["macs"], file["ms"]
    whole = plain["macs"][plain["native"]]
    return {
        "inference": macs[native] / whole,
        "latency": ms[native] / plain["ms"][plain["native"]],
        "parameters": file["parameters"],
        "int8_miou": file["miou"],
        "int8_ms": ms[native],
        "detail_inference": sum(share * macs[name] for name, share in file["shares"].items())
        / whole,
        "detail_miou": file["detail_miou"],
        "detail_ms": sum(share * ms[name] for name, share in file["shares"].items()),
        "detail_shares": {_size(name): share for name, share in file["shares"].items()},
    }


def _size(tier: str) -> str:
    size = Tier.parse(tier).input_size
    return "native" if size is None else "{}x{}".format(*size)


def _targets(rows: list[dict[str, Any]]) -> list[Target]:
    by_name = {(row["network"], row["slimmed"]): row for row in rows}
    targets = []
    for network in (DEEPLAB, UNET):
        for name in (BOTH, BOTH_LONG):
            both, what = by_name[network, name], f"{network}, {name}"
            targets += [
                Target.at_least(f"{what}: training cost saved", _TRAIN_CUT, 1 - both["training"]),
                Target.at_least(
                    f"{what}: MACs of inference saved", _INFERENCE_CUT, 1 - both["inference"]
                ),
                Target.at_least(f"{what}: mIoU to neither, points", 0.0, 100 * both["to_neither"]),
            ]
        slim = by_name[network, NETWORK]
        targets.append(
            Target.at_least(
                f"{network}, network: latency saved / MACs saved",
                _LEAST_OF_MACS,
                (1 - slim["latency"]) / (1 - slim["inference"]),
            )
        )
    data = by_name[DEEPLAB, DATA]
    for rival in RIVALS:
        targets.append(
            Target.at_least(
                f"{DEEPLAB}, data slimming to {rival}, mIoU, points",
                0.0,
                100 * (data["miou"] - by_name[DEEPLAB, rival]["miou"]),
            )
        )
    return targets


def _draw(axes: "Axes", rows: list[dict[str, Any]]) -> None:
    """MIoU against what training cost; the size of a mark is the cost of inference."""
    marks = {DEEPLAB: "o", UNET: "s"}
    for network, mark in marks.items():
        own = [row for row in rows if row["network"] == network]
        axes.scatter(
            [100 * row["training"] for row in own],
            [100 * row["miou"] for row in own],
            [120 * row.get("inference", 1.0) for row in own],
            marker=mark,
            label=network,
            alpha=0.8,
        )
        for row in own:
            axes.annotate(
                row["slimmed"],
                (100 * row["training"], 100 * row["miou"]),
                xytext=(6, 5),
                textcoords="offset points",
                fontsize="small",
            )
    axes.margins(0.15)
    axes.set_xlim(0, 115)
    axes.set_xlabel(
        "training cost, percent of neither (area of a mark: multiply-adds of inference)"
    )
    axes.set_ylabel("mIoU, percent")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
