"""CSC-Unet (arXiv 2108.00408) against the plain U-Net of its width on CamVid.

Both have the same seeds, data order and number of steps. The first seed of each is exported, its
int8 file scored and timed. One network more has its unfoldings drawn in each step, so that a device
chooses among none, one and two of the same weights.
"""

from collections.abc import Mapping
from statistics import mean
from typing import TYPE_CHECKING, Any

from kit import AdaptiveNetwork
from kit.data import open_dataset
from mobile_export.benchmark import benchmark
from mobile_export.evaluation import evaluate_bundle
from mobile_export.experiments.csc_runs import (
    BOTH,
    DIAL,
    SCALES,
    UNET,
    VARIANTS,
    Scale,
    jobs,
    recipe_of,
)
from mobile_export.experiments.exported import exported, finished
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.runs import scored
from mobile_export.experiments.settings import Settings
from mobile_export.metadata import versions
from mobile_export.steps import Steps
from mobile_export.tables import Column, millions, milliseconds, percent, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "csc_camvid"

COLUMNS = (
    Column("network", "network"),
    Column("tier", "tier"),
    Column("seeds", "seeds"),
    Column("mIoU", "miou", percent),
    Column("Dice", "dice", percent),
    Column("mIoU to U-Net", "to_unet", points),
    Column("least", "least_to_unet", points),
    Column("most", "most_to_unet", points),
    Column("int8 file mIoU", "int8_miou", percent),
    Column("its mIoU to float32", "int8_to_float", points),
    Column("M parameters", "parameters", lambda count: f"{count / 1e6:.3f}"),
    Column("M MACs", "macs", millions),
    Column("int8 ms", "int8_ms", milliseconds),
)


def run(settings: Settings) -> Results:
    """Trains, scores, exports and times every variant; runs that are in `settings.out` are used.

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
    steps.begin("export", f"{len(VARIANTS)} networks in int8, and their scores")
    int8 = {name: _int8(name, scale, settings) for name in VARIANTS}
    steps.begin("benchmark", "every tier in turns, one thread")
    machine = _time(int8, scale, settings)
    rows = _rows(by_variant, int8)
    recipe = recipe_of(BOTH, settings)
    about = {
        "command": settings.command(NAME),
        "seeds": sorted({seed for _, _, seed, _ in todo}),
        "data": f"{recipe.data} test, each label map at its own size",
        "scale": f"{recipe.width * 64:g} to {recipe.width * 1024:g} channels (the paper's "
        "networks have 64 to 1024), "
        f"{recipe.epochs} epochs (200), trained and run at {_size(recipe.image_size)} (352x480)",
        "to U-Net": "points of mIoU to the U-Net of the same seed, mean, least and most of the "
        "seeds",
        "int8": "of the first seed",
        "trained with": "; ".join(sorted({made["made_on"] for made in scores})),
        "machine": machine,
        "versions": versions(),
    }
    return Results(
        name=NAME,
        title=f"CSC-Unet against the plain U-Net on {recipe.data}, {settings.scale} scale",
        columns=COLUMNS,
        rows=rows,
        targets=_targets(rows),
        about=about,
        draw=lambda axes: _draw(axes, rows),
        details={"runs": scores},
    )


# === Making ===


def _int8(name: str, scale: Scale, settings: Settings) -> dict[str, dict[str, Any]]:
    """Exports the first seed of a variant and scores the file; figures of each tier."""
    recipe = recipe_of(name, settings)
    network = finished(recipe, settings.out, settings.seed)
    bundle = settings.out / f"{name}.tflite"
    exported(network, bundle, recipe, scale)
    test_set = open_dataset(recipe.data, "test", **recipe.data_options)
    scores = {score.tier: score for score in evaluate_bundle(bundle, test_set).scores}
    return {
        tier: {**_costs(network, tier), "int8_miou": round(score.miou, 5)}
        for tier, score in scores.items()
    }


def _costs(network: AdaptiveNetwork, tier: str) -> dict[str, int]:
    profile = network.profile(tier)
    return {"parameters": profile.parameters, "macs": profile.macs}


def _time(
    int8: Mapping[str, Mapping[str, dict[str, Any]]], scale: Scale, settings: Settings
) -> dict[str, Any]:
    """Adds the latency of every tier to its figures; tells on which machine."""
    bundles = {name: settings.out / f"{name}.tflite" for name in int8}
    timed = benchmark(list(bundles.values()), rounds=scale.rounds)
    for name, bundle in bundles.items():
        for tier, figures in timed.figures(bundle).items():
            int8[name][tier]["int8_ms"] = figures["latency_ms"]
    return timed.machine


# === Figures ===


def _rows(
    by_variant: Mapping[str, list[dict[str, Any]]],
    int8: Mapping[str, Mapping[str, Mapping[str, Any]]],
) -> list[dict[str, Any]]:
    """A row a network and tier; means over seeds, differences seed by seed."""
    plain = {made["seed"]: made["miou"]["plain"] for made in by_variant[UNET]}
    rows = []
    for name, made in by_variant.items():
        for tier in made[0]["miou"]:
            first = made[0]["miou"][tier]
            row = {
                "variant": name,
                "network": VARIANTS[name].title,
                "tier": tier,
                "seeds": len(made),
                "miou": round(mean(run["miou"][tier] for run in made), 5),
                "dice": round(mean(run["dice"][tier] for run in made), 5),
                "miou_of_seeds": [run["miou"][tier] for run in made],
                **int8[name][tier],
                "int8_to_float": round(int8[name][tier]["int8_miou"] - first, 5),
            }
            if name != UNET:
                differences = [run["miou"][tier] - plain[run["seed"]] for run in made]
                row |= {
                    "to_unet": round(mean(differences), 5),
                    "least_to_unet": round(min(differences), 5),
                    "most_to_unet": round(max(differences), 5),
                }
            rows.append(row)
    return rows


def _targets(rows: list[dict[str, Any]]) -> list[Target]:
    of_both = next(row for row in rows if row["variant"] == BOTH)
    plain = next(row for row in rows if row["variant"] == UNET)
    return [
        # The paper's gain at its own scale: 53.68 to 48.82.
        Target.at_least("CSC-Unet to U-Net, mIoU, points", 4.86, 100 * of_both["to_unet"]),
        Target.at_least(
            "CSC-Unet to U-Net, seed by seed, least, points", 0.0, 100 * of_both["least_to_unet"]
        ),
        Target.at_least(
            "CSC-Unet to U-Net, int8 files of the first seed, points",
            0.0,
            100 * (of_both["int8_miou"] - plain["int8_miou"]),
        ),
        Target.at_least(
            "int8 to float32, worst tier, points",
            -0.6,
            100 * min(row["int8_to_float"] for row in rows),
        ),
        Target.at_most(
            "parameters, CSC-Unet / U-Net", 1.01, of_both["parameters"] / plain["parameters"]
        ),
    ]


def _size(size: tuple[int, int]) -> str:
    return "{}x{}".format(*size)


def _draw(axes: "Axes", rows: list[dict[str, Any]]) -> None:
    """MIoU in float32 against latency in int8: means as squares or joined, seeds as dots."""
    for place, (name, variant) in enumerate(VARIANTS.items()):
        own = [row for row in rows if row["variant"] == name]
        axes.plot(
            [row["int8_ms"] for row in own],
            [100 * row["miou"] for row in own],
            "s--",
            color=f"C{place}",
            label=f"{variant.title}, {own[0]['seeds']} seed{'s' * (own[0]['seeds'] > 1)}",
        )
        for row in own:
            axes.plot(
                [row["int8_ms"]] * row["seeds"],
                [100 * miou for miou in row["miou_of_seeds"]],
                ".",
                color=f"C{place}",
            )
            if name == DIAL:
                axes.annotate(
                    row["tier"],
                    (row["int8_ms"], 100 * row["miou"]),
                    xytext=(5, -12),
                    textcoords="offset points",
                )
    axes.set_xlabel("median latency, int8, one thread, ms")
    axes.set_ylabel("mIoU, float32, percent")
    axes.margins(0.12)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
