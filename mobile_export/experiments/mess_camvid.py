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
from typing import TYPE_CHECKING, Any

from kit import AdaptiveNetwork
from kit.data import Dataset, open_dataset
from kit.search import Candidate, ExitPolicy, ExitSearch, ExitTable
from kit.training import Recipe, train
from mobile_export.benchmark import Benchmark, benchmark
from mobile_export.evaluation import Evaluation, evaluate_bundle
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.settings import Settings
from mobile_export.exporter import export
from mobile_export.inspection import Inspection
from mobile_export.measured_exits import MeasuredExits
from mobile_export.metadata import add_figures, versions
from mobile_export.policies import parse_policies
from mobile_export.runtime import Bundle
from mobile_export.runtime.files import replacing
from mobile_export.sampling import spread
from mobile_export.steps import Steps
from mobile_export.tables import Column, millions, milliseconds, percent, points
from mobile_export.thresholds import bundle_table, fit_thresholds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "mess_camvid"

_MAX_DROP = 0.5  # points that may be lost when images leave early
_EQUAL = 0.1  # points within which a network counts as equal
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


@dataclass(frozen=True)
class _Made:
    """What was made and measured of one family; scores are those of int8 on test."""

    family: Family
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
    side_by_side(_train, [(recipe, settings) for made in recipes for recipe in made.first])
    steps.begin("heads", "alone, on a trunk that stays as it is")
    side_by_side(_train, [(made.heads, settings) for made in recipes])
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
    rows = [row for one in made for row in _rows(one, timed, data["test"])]
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
            one.family.title: {
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
        targets=[target for one in made for target in _targets(one, rows)],
        about=about,
        draw=lambda axes: _draw(axes, rows),
        details={
            one.family.title: {"search": one.search, "thresholds": one.fitted} for one in made
        },
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


def _train(recipe: Recipe, settings: Settings) -> None:
    """Leaves a trained network in its folder: what runs elsewhere hands no network back."""
    train(recipe, settings.out / recipe.name, seed=settings.seed, resume=True)


def _make(
    family: Family,
    recipes: _Recipes,
    scale: Scale,
    settings: Settings,
    data: Mapping[str, Dataset],
    steps: Steps,
) -> _Made:
    def trained(recipe: Recipe) -> AdaptiveNetwork:
        folder = settings.out / recipe.name
        return train(recipe, folder, seed=settings.seed, resume=True).network

    network = trained(recipes.heads)
    configuration = network.default_tier.configuration
    steps.begin("search", f"{family.title}: {len(network.exits)} exits, {len(_POLICIES)} policies")
    measured = MeasuredExits(
        network, _POLICIES, threads=1, rounds=scale.rounds, folder=settings.out / "tables"
    )
    chosen, search = _search(measured.table(configuration, data["val"]))
    exits = [
        replace(network.exits[number - 1], policy=policy)
        for number, policy in zip(chosen.exits, chosen.policies, strict=True)
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

    path = bundle(network, family.exits)
    heaviest = network.default_tier
    alone = bundle(network, f"{family.exits}_alone", tiers=[heaviest])
    control = bundle(trained(recipes.control), recipes.control.name, tiers=[heaviest])
    small = None if recipes.small is None else bundle(trained(recipes.small), recipes.small.name)
    steps.begin("thresholds", f"{family.title}: fitted on the int8 file")
    fitted = fit_thresholds(path, data["val"], max_drop=_MAX_DROP, rounds=scale.rounds)
    steps.begin("evaluate", f"{family.title}: int8 on {len(data['test'])} test images")
    scores = evaluate_bundle(path, data["test"])
    add_figures(path, scores.figures())
    macs = {tier.name: network.profile(tier).macs for tier in network.tiers}
    return _Made(
        family=family,
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


def _search(table: ExitTable) -> tuple[Candidate, dict[str, Any]]:
    """The exits to deploy: least mean latency within a drop, on the first half of validation.

    Returns:
        The choice, and all that the search found, with the paper's three purposes beside it, each
        scored on the other half too.
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
            "on_the_other_half": search.score(result.chosen, second).to_dict(),
        }
    deployed = search.search("cost", max_drop=_MAX_DROP, settings=["input-dependent"])
    found["deployed"] = {
        **deployed.to_dict(),
        "on_the_other_half": search.score(deployed.chosen, second).to_dict(),
    }
    found["heads"] = dict(enumerate(table.heads, start=1))
    return deployed.chosen, found


# === Figures ===


def _rows(made: _Made, timed: Benchmark, test: Dataset) -> list[dict[str, Any]]:
    """The networks to compare with, each tier in one shot, and what chained stages give."""
    title = made.family.title
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


def _targets(made: _Made, rows: Sequence[Mapping[str, Any]]) -> list[Target]:
    title = made.family.title
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


def _draw(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
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
