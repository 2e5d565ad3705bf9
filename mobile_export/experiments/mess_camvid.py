"""MESS (arXiv 2106.03527) on CamVid: early exits for U-Net+PTA and for DeepLabV3.

Of each family three networks are trained on the same data order: without exits, with exits (MESS's
first stage, the same number of steps), and the heads alone on top of it (the second stage). The
U-Net+PTA goes on from the shipped network in both of the first, DeepLabV3 begins with ImageNet's.
Exits, heads and thresholds are chosen on the validation split, every reported score is the int8
file's on the test split, and all latencies come from one interleaved run. The paper's loss formulas
and recipe are not public; ours are the recipes named below.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kit import AdaptiveNetwork
from kit.data import Dataset, open_dataset
from kit.files import replacing
from kit.search import ExitPolicy, ExitSearch, ExitTable
from kit.search.threshold_fit import restricted
from kit.training import Recipe, train
from mobile_export.benchmark import benchmark
from mobile_export.evaluation import evaluate_bundle
from mobile_export.experiments.multi_exit_run import (
    COLUMNS,
    MAX_DROP,
    MultiExitRun,
    draw_rows,
    run_targets,
    table_rows,
)
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results
from mobile_export.experiments.runs import trained
from mobile_export.experiments.settings import Settings
from mobile_export.exporter import export
from mobile_export.inspection import Inspection
from mobile_export.measured_exits import MeasuredExits
from mobile_export.metadata import add_figures, versions
from mobile_export.policies import parse_policies
from mobile_export.runtime import Bundle
from mobile_export.sampling import spread
from mobile_export.steps import Steps
from mobile_export.thresholds import fit_thresholds

NAME = "mess_camvid"

# Not by entropy, whose integer logarithm runtimes before 2.15 have not.
_POLICIES = parse_policies(["top1", "top1+edges"])


@dataclass(frozen=True)
class Family:
    """One kind of network.

    Args:
        title: what it is called.
        exits: recipe of the first stage; without its exits, that of the network without.
        heads: recipe of the second stage.
        small: fields that make a small network of one exit, to compare with at its latency.
    """

    title: str
    exits: str
    heads: str
    small: Mapping[str, Any] | None = None


FAMILIES = (
    Family("U-Net+PTA", "camvid_exits", "camvid_heads"),
    Family(
        "DeepLabV3",
        "camvid_deeplab",
        "camvid_deeplab_heads",
        {
            "width": 0.35,
            "encoder_weights": "${TIERSEG_WEIGHTS}/"
            "mobilenet_v2_0.35_224_imagenet_no_top.weights.h5",
        },
    ),
)


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Args:
        recipe: fields that differ from those of every recipe.
        heads: fields that differ from those of the recipes of the heads.
        calibration_images: from the training split.
        min_agreement: share of pixels on which each int8 tier must agree with Keras.
        rounds: timed calls of each graph.
        families: which of the families run.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    heads: Mapping[str, Any] = field(default_factory=dict)
    calibration_images: int = 200
    min_agreement: float = 0.9
    rounds: int = 50
    families: Sequence[Family] = FAMILIES


SCALES = {
    "quick": Scale(
        {"epochs": 1, "crop_size": (96, 128), "image_size": (192, 256)},
        {"heads": ("fcn-r2",)},
        calibration_images=50,
        min_agreement=0.5,
        rounds=10,
    ),
    "full": Scale(),
}


@dataclass(frozen=True)
class _Recipes:
    """The recipes of one family, with the experiment's scale and folders in them."""

    control: Recipe
    exits: Recipe
    heads: Recipe
    small: Recipe | None

    @property
    def first(self) -> list[Recipe]:
        """Those that are trained first, at the same time."""
        return [recipe for recipe in (self.control, self.exits, self.small) if recipe is not None]


def run(settings: Settings) -> Results:
    """Trains, searches, exports and measures every family.

    Raises:
        InputError: the data are missing, or `settings.out` holds a training of another recipe.
        VerificationError: a bundle fails a check.
    """
    scale = SCALES[settings.scale]
    recipes = [_recipes(family, scale, settings) for family in scale.families]
    options = recipes[0].exits.data_options
    data = {
        split: open_dataset(recipes[0].exits.data, split, **options)
        for split in ("train", "val", "test")
    }
    steps = Steps(2 + 4 * len(scale.families))
    steps.begin("train", "networks with and without exits, side by side")
    side_by_side(
        trained, [_job(recipe, settings) for of_family in recipes for recipe in of_family.first]
    )
    steps.begin("heads", "alone, on a trunk that stays as it is")
    side_by_side(trained, [_job(of_family.heads, settings) for of_family in recipes])
    made = [
        _make(family, of_family, scale, settings, data, steps)
        for family, of_family in zip(scale.families, recipes, strict=True)
    ]
    bundles = [
        path
        for one in made
        for path in (one.control_bundle, one.bundle, one.small_bundle)
        if path is not None
    ]
    timed = benchmark(bundles, rounds=scale.rounds)
    rows = [row for one in made for row in table_rows(one, timed, data["test"])]
    about = {
        "command": settings.command(NAME),
        "seed": settings.seed,
        "data": f"{data['test'].name} test, {len(data['test'])} images; exits, heads and "
        f"thresholds chosen on val, {len(data['val'])} images",
        "image_size": list(recipes[0].exits.image_size),
        "crop_size": list(recipes[0].exits.crop_size),
        "epochs": {
            recipe.name: recipe.epochs for of in recipes for recipe in (*of.first, of.heads)
        },
        "size_bytes": {
            one.title: {
                "bundle": one.bundle.stat().st_size,
                "largest_single_tier": one.largest,
                "other_heads": one.head_bytes,
            }
            for one in made
        },
        "machine": timed.machine,
        "versions": versions(),
    }
    return Results(
        name=NAME,
        title=f"Multi-exit networks on {data['test'].name}, {settings.scale} scale",
        columns=COLUMNS,
        rows=rows,
        targets=[target for one in made for target in run_targets(one, rows)],
        about=about,
        draw=lambda axes: draw_rows(axes, rows),
        details={one.title: {"search": one.search, "thresholds": one.fitted} for one in made},
    )


# === Making ===


def _recipes(family: Family, scale: Scale, settings: Settings) -> _Recipes:
    def scaled(name: str, **changes: Any) -> Recipe:
        recipe = replace(Recipe.load(name), **{**scale.recipe, **changes})
        return replace(recipe, data=settings.data) if settings.data else recipe

    exits = scaled(family.exits)
    first_stage = settings.out / exits.name / "network.keras"
    heads = scaled(family.heads, **scale.heads, initial=str(first_stage))
    bare = exits.name.removesuffix("_exits")
    control = replace(exits, name=f"{bare}_no_exits", exits=())
    small = None
    if family.small is not None:
        small = replace(control, name=f"{bare}_small", **family.small)
    return _Recipes(control, exits, heads, small)


def _job(recipe: Recipe, settings: Settings) -> tuple[Recipe, Path, int]:
    return recipe, settings.out / recipe.name, settings.seed


def _make(
    family: Family,
    recipes: _Recipes,
    scale: Scale,
    settings: Settings,
    data: Mapping[str, Dataset],
    steps: Steps,
) -> MultiExitRun:
    def network_of(recipe: Recipe) -> AdaptiveNetwork:
        _, folder, seed = _job(recipe, settings)
        return train(recipe, folder, seed=seed, resume=True).network

    network = network_of(recipes.heads)
    configuration = network.default_tier.configuration
    steps.begin("search", f"{family.title}: {len(network.exits)} exits, {len(_POLICIES)} policies")
    measured = MeasuredExits(
        network, _POLICIES, threads=1, rounds=scale.rounds, folder=settings.out / "tables"
    )
    table = measured.table(configuration, data["val"])
    search = _search(table)
    exits = [
        replace(network.exits[number - 1], policy=policy)
        for number, policy in _deployed(table).items()
    ]
    network = network.with_exits(exits)
    with replacing(settings.out / f"{family.exits}.keras") as partial:
        network.save(partial)
    steps.begin("export", f"{family.title}: int8, {len(network.tiers)} tiers and their stages")
    images = spread(data["train"], scale.calibration_images)

    def bundle(of: AdaptiveNetwork, name: str, **options: Any) -> Path:
        path = settings.out / f"{name}.tflite"
        labels, least = data["train"].classes, scale.min_agreement
        export(of, path, images, labels=labels, min_agreement=least, **options)
        return path

    path = bundle(network, family.exits, license=data["train"].license)
    heaviest = network.default_tier
    alone = bundle(network, f"{family.exits}_alone", tiers=[heaviest])
    control = bundle(network_of(recipes.control), recipes.control.name, tiers=[heaviest])
    small = None if recipes.small is None else bundle(network_of(recipes.small), recipes.small.name)
    steps.begin("thresholds", f"{family.title}: fitted on the int8 file")
    fitted = fit_thresholds(path, data["val"], max_drop=MAX_DROP, rounds=scale.rounds)
    steps.begin("evaluate", f"{family.title}: int8 on {len(data['test'])} test images")
    scores = evaluate_bundle(path, data["test"])
    add_figures(path, scores.figures())
    macs = {tier.name: network.profile(tier).macs for tier in network.tiers}
    return MultiExitRun(
        title=family.title,
        configuration=configuration,
        search={**search, "macs": macs},
        fitted=fitted,
        bundle=path,
        scores=scores,
        control_bundle=control,
        control=evaluate_bundle(control, data["test"]),
        small_bundle=small,
        small=None if small is None else evaluate_bundle(small, data["test"]),
        largest=alone.stat().st_size,
        head_bytes=_head_bytes(path, heaviest.name),
    )


def _head_bytes(bundle: Path, tier: str) -> int:
    """Bytes of the kernels that a tier has not: those of other exits' heads."""
    inspection = Inspection(Bundle.open(bundle).model_bytes)
    return inspection.kernel_bytes() - inspection.kernel_bytes(tier)


def _search(table: ExitTable) -> dict[str, Any]:
    """What is best for the paper's three purposes on the first half of validation, and the rest.

    Returns:
        What each search found, its choice scored on the other half too; and what was searched.
    """
    first, second = table.split()
    search = ExitSearch(first)
    purposes = {
        "error, latency <= 1x": {"objective": "error"},
        "latency, drop <= 0.1": {"objective": "cost", "max_drop": 0.1},
        "latency, drop <= 1": {"objective": "cost", "max_drop": 1.0},
    }
    found: dict[str, Any] = {}
    for name, question in purposes.items():
        result = search.search(**question)  # type: ignore[arg-type]
        found[name] = {
            **result.to_dict(),
            "front": [[item.mean["latency_ms"], item.miou] for item in result.front],
            "on_the_other_half": search.score(result.chosen, second).to_dict(),
        }
    found["heads"] = {
        number: f"{head} at point {point}"
        for number, (head, point) in enumerate(zip(table.heads, table.points, strict=True), start=1)
    }
    found["deployed"] = {number: policy.to_dict() for number, policy in _deployed(table).items()}
    return found


def _deployed(table: ExitTable) -> dict[int, ExitPolicy]:
    """One exit a point, so that the results show what each depth gives, and its policy.

    By the first half of validation. The head is the fastest that loses no more than `MAX_DROP` to
    the best one there; the policy is that with which images leaving there or at the end get the
    best mIoU half-way between the latencies of both.
    """
    table, _ = table.split()
    candidates = ExitSearch(table).budgeted()
    chosen = {}
    for point in sorted(set(table.points)):
        there = [item for item in candidates if table.points[item.exits[0] - 1] == point]
        best = max(item.miou for item in there)
        near = [item for item in there if 100 * (best - item.miou) <= MAX_DROP]
        (number,) = min(near, key=lambda item: item.mean["latency_ms"]).exits
        chosen[number] = max(table.policies, key=lambda item: _half_way(table, number, item))
    return chosen


def _half_way(table: ExitTable, number: int, policy: ExitPolicy) -> float:
    """Best mIoU of one exit and the final one at the mean of their latencies."""
    search = ExitSearch(restricted(table, [number], [policy]))
    ends = search.budgeted()[0].mean["latency_ms"], search.final().mean["latency_ms"]
    limit = {"latency_ms": sum(ends) / 2}
    return search.search("error", limit, settings=["input-dependent"]).chosen.miou
