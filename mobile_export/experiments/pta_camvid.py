"""U-Net+PTA (arXiv 2301.06358) against the plain U-Net on CamVid.

Both networks have the same seed, data order and number of optimizer steps, and are trained at the
same time, one thread each. All latencies come from one interleaved run. The paper's configurations
and recipe are not public; ours are the recipes `camvid` and `camvid_plain`.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit import AdaptiveNetwork
from kit.data import Dataset, open_dataset
from kit.training import Recipe, TrainingResult, train
from mobile_export.benchmark import Benchmark, benchmark, benchmark_runtime
from mobile_export.converter import convert_float32
from mobile_export.evaluation import Evaluation, evaluate_bundle, evaluate_network
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.runs import trained
from mobile_export.experiments.settings import Settings
from mobile_export.exporter import export
from mobile_export.metadata import add_figures, versions
from mobile_export.runtime.files import replacing
from mobile_export.sampling import spread
from mobile_export.signatures import freeze
from mobile_export.steps import Steps
from mobile_export.tables import Column, millions, milliseconds, percent, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "pta_camvid"
PLAIN, ADAPTIVE = "camvid_plain", "camvid"


@dataclass(frozen=True)
class Scale:
    """How large the experiment is.

    Args:
        recipe: fields that differ from those of both recipes.
        calibration_images: from the training split.
        min_agreement: share of pixels on which each int8 tier must agree with Keras.
        rounds: timed calls of each graph.
    """

    recipe: Mapping[str, Any] = field(default_factory=dict)
    calibration_images: int = 200
    min_agreement: float = 0.9
    rounds: int = 50


SCALES = {
    "quick": Scale(
        {"epochs": 3, "crop_size": (96, 128), "image_size": (192, 256)},
        calibration_images=100,
        min_agreement=0.7,
        rounds=20,
    ),
    "full": Scale(),
}


@dataclass(frozen=True)
class _Run:
    """One network from training to figures; `floats` and `int8` are its scores on test."""

    recipe: Recipe
    training: TrainingResult
    bundle: Path
    floats: Evaluation
    int8: Evaluation

    @property
    def network(self) -> AdaptiveNetwork:
        return self.training.network

    @property
    def optimizer_steps(self) -> int:
        return sum(sum(epoch["draws"].values()) for epoch in self.training.history)


COLUMNS = (
    Column("tier", "tier"),
    Column("int8 mIoU", "int8_miou", percent),
    Column("int8 Dice", "int8_dice", percent),
    Column("Dice to plain", "dice_to_plain", points),
    Column("float mIoU", "float_miou", percent),
    Column("float Dice", "float_dice", percent),
    Column("M MACs", "macs", millions),
    Column("MACs to plain", "macs_to_plain", lambda ratio: f"{ratio:.2f}x"),
    Column("M parameters", "parameters", millions),
    Column("int8 ms", "int8_ms", milliseconds),
    Column("float32 ms", "float32_ms", milliseconds),
    Column("int8 ms to plain", "latency_to_plain", lambda ratio: f"{ratio:.2f}x"),
)


def run(settings: Settings) -> Results:
    """Trains and measures both networks.

    Raises:
        InputError: the data are missing, or `settings.out` holds a training of another recipe.
        VerificationError: a bundle fails a check.
    """
    scale = SCALES[settings.scale]
    steps = Steps(8)
    recipes = [_recipe(name, scale, settings) for name in (PLAIN, ADAPTIVE)]
    train_set, test_set = (
        open_dataset(recipes[0].data, split, **recipes[0].data_options)
        for split in ("train", "test")
    )
    steps.begin("train", f"{recipes[0].epochs} epochs of both networks, side by side")
    side_by_side(
        trained, [(recipe, settings.out / recipe.name, settings.seed) for recipe in recipes]
    )
    runs = [_run(recipe, scale, settings, train_set, test_set, steps) for recipe in recipes]
    adaptive = runs[1]
    steps.begin("benchmark", "every tier in int8 and float32 in turns, one thread")
    in_float = [path for made in runs for path in _float32(made, settings.out / "float32")]
    timed = benchmark([*(made.bundle for made in runs), *in_float], rounds=scale.rounds)
    rows = [row for made in runs for row in _rows(made, timed, settings.out / "float32")]
    rows = [{**row, **_to_plain(row, rows[0])} for row in rows]
    steps.begin("runtime", "start, memory and switching")
    runtime = benchmark_runtime(adaptive.bundle, rounds=scale.rounds)
    steps.begin("size", "the largest tier in a file of its own")
    single = _largest_single(adaptive, train_set, settings.out)
    about = {
        "command": settings.command(NAME),
        "seed": settings.seed,
        "data": f"{test_set.name} test, {len(test_set)} images",
        "image_size": list(adaptive.recipe.image_size),
        "crop_size": list(adaptive.recipe.crop_size),
        "training": {
            made.recipe.name: {
                "wall_s": made.training.wall_s,
                "optimizer_steps": made.optimizer_steps,
                "epochs": made.recipe.epochs,
            }
            for made in runs
        },
        "size_bytes": {
            **{made.recipe.name: made.bundle.stat().st_size for made in runs},
            "largest_single_tier": single,
        },
        "runtime": {
            key: round(value, 3) for key, value in runtime.items() if isinstance(value, float)
        },
        "machine": timed.machine,
        "versions": versions(),
    }
    return Results(
        name=NAME,
        title=f"U-Net+PTA against the plain U-Net on {test_set.name}, {settings.scale} scale",
        columns=COLUMNS,
        rows=rows,
        targets=_targets(rows, about),
        about=about,
        draw=lambda axes: _draw(axes, rows),
        details={made.recipe.name: _scores(made) for made in runs},
    )


# === Making ===


def _recipe(name: str, scale: Scale, settings: Settings) -> Recipe:
    recipe = replace(Recipe.load(name), **scale.recipe)
    return replace(recipe, data=settings.data) if settings.data else recipe


def _run(
    recipe: Recipe,
    scale: Scale,
    settings: Settings,
    train_set: Dataset,
    test_set: Dataset,
    steps: Steps,
) -> _Run:
    """Exports and scores one network, which has been trained."""
    bundle = settings.out / f"{recipe.name}.tflite"
    training = train(recipe, settings.out / recipe.name, seed=settings.seed, resume=True)
    network = training.network
    images = spread(train_set, scale.calibration_images)
    steps.begin("export", f"int8, {len(network.tiers)} tiers, {len(images)} calibration images")
    export(
        network,
        bundle,
        images,
        labels=train_set.classes,
        license=train_set.license,
        min_agreement=scale.min_agreement,
    )
    steps.begin("evaluate", f"float and int8 on {len(test_set)} test images")
    int8 = evaluate_bundle(bundle, test_set)
    add_figures(bundle, int8.figures())
    return _Run(recipe, training, bundle, evaluate_network(network, test_set), int8)


def _float32(made: _Run, folder: Path) -> list[Path]:
    """Writes each tier in float32 as a file of its own."""
    paths = []
    for tier in made.network.tiers:
        path = folder / f"{tier.name}.tflite"
        with replacing(path) as partial:
            partial.write_bytes(convert_float32([freeze(made.network, tier, quantized=False)]))
        paths.append(path)
    return paths


def _largest_single(made: _Run, train_set: Dataset, out: Path) -> int:
    """Bytes of the largest int8 file that holds one tier alone.

    Size does not depend on the calibration, so that a few images do.
    """
    largest = max(made.network.tiers, key=lambda tier: made.network.profile(tier).parameters)
    return export(
        made.network,
        out / f"{made.recipe.name}_{largest.name}_alone.tflite",
        spread(train_set, 4),
        tiers=[largest],
        labels=train_set.classes,
        min_agreement=0.0,
    ).size_bytes


# === Figures ===


def _rows(made: _Run, timed: Benchmark, float32: Path) -> list[dict[str, Any]]:
    """One row a tier, lightest first; records the latencies in the bundle."""
    latencies = timed.figures(made.bundle)
    metadata = add_figures(made.bundle, latencies)
    by_file = {row.file: row for row in timed.rows}
    costs = {entry["name"]: entry for entry in metadata["tiers"]}
    return [
        {
            "tier": int8.tier,
            "vector": made.network.configurations[int8.tier],
            "macs": costs[int8.tier]["macs"],
            "parameters": costs[int8.tier]["parameters"],
            "float_miou": round(floats.miou, 5),
            "float_dice": round(floats.dice, 5),
            "int8_miou": round(int8.miou, 5),
            "int8_dice": round(int8.dice, 5),
            "int8_ms": latencies[int8.tier]["latency_ms"],
            "float32_ms": round(by_file[str(float32 / f"{int8.tier}.tflite")].p50_ms, 3),
        }
        for floats, int8 in zip(made.floats.scores, made.int8.scores, strict=True)
    ]


def _to_plain(row: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, float]:
    """How a row differs from the plain network's."""
    return {
        "dice_to_plain": round(row["int8_dice"] - plain["int8_dice"], 5),
        "miou_to_plain": round(row["int8_miou"] - plain["int8_miou"], 5),
        "macs_to_plain": round(row["macs"] / plain["macs"], 4),
        "latency_to_plain": round(row["int8_ms"] / plain["int8_ms"], 4),
    }


def _targets(rows: list[dict[str, Any]], about: Mapping[str, Any]) -> list[Target]:
    tiers = rows[1:]
    light, heavy = tiers[0], tiers[-1]
    rises = [100 * (b["int8_dice"] - a["int8_dice"]) for a, b in pairwise(tiers)]
    drops = [100 * (row["float_miou"] - row["int8_miou"]) for row in tiers]
    size, runtime = about["size_bytes"], about["runtime"]
    steps = [made["optimizer_steps"] for made in about["training"].values()]
    wall = [made["wall_s"] for made in about["training"].values()]
    return [
        Target.at_most("optimizer steps, PTA / plain", 1.0, steps[1] / steps[0]),
        Target.at_least(
            "smallest Dice of a tier above plain, int8, points",
            0.0,
            min(100 * row["dice_to_plain"] for row in tiers),
        ),
        Target.at_least("mIoU of the heaviest tier, int8, percent", 57.2, 100 * heavy["int8_miou"]),
        Target.at_least("smallest gain of Dice from a tier to the next, points", 0.0, min(rises)),
        Target.at_least(
            "latency of the heaviest / the lightest tier, int8",
            4.0,
            heavy["int8_ms"] / light["int8_ms"],
        ),
        Target.at_most("training wall-clock, PTA / plain", 1.0, wall[1] / wall[0]),
        Target.at_most("largest loss of mIoU by int8, points", 0.6, max(drops)),
        Target.at_least(
            "latency of float32 / int8, heaviest tier", 3.0, heavy["float32_ms"] / heavy["int8_ms"]
        ),
        Target.at_most(
            "size of the bundle / the largest single tier",
            1.10,
            size[ADAPTIVE] / size["largest_single_tier"],
        ),
        Target.at_most("switch of the tier, ms", 1.0, runtime["switch_penalty_ms"]),
        Target.at_most(
            "import, load and first mask of the lightest tier, s",
            1.5,
            runtime["cold_start_ms"] / 1000,
        ),
        Target.at_most(
            "resident memory with all tiers used, MB", 200.0, runtime["resident_all_tiers_mb"]
        ),
    ]


def _scores(made: _Run) -> dict[str, list[dict[str, Any]]]:
    """All scores, those of each class too."""
    return {
        kind: [asdict(score) for score in evaluation.scores]
        for kind, evaluation in (("float", made.floats), ("int8", made.int8))
    }


def _draw(axes: "Axes", rows: list[dict[str, Any]]) -> None:
    """Dice against latency, both int8."""
    plain, *tiers = rows
    axes.plot(
        [row["int8_ms"] for row in tiers],
        [100 * row["int8_dice"] for row in tiers],
        "o-",
        label="U-Net+PTA, one bundle",
    )
    axes.plot(plain["int8_ms"], 100 * plain["int8_dice"], "rs", label="plain U-Net")
    for row in tiers:
        axes.annotate(
            row["tier"],
            (row["int8_ms"], 100 * row["int8_dice"]),
            xytext=(5, -12),
            textcoords="offset points",
        )
    axes.set_xlabel("median latency, int8, one thread, ms")
    axes.set_ylabel("mean Dice, int8, percent")
    axes.margins(0.12)
    axes.grid(alpha=0.3)
    axes.legend()
