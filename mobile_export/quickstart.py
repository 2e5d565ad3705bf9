"""The verb `quickstart`: everything once, on generated scenes."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mobile_export.steps import Steps

if TYPE_CHECKING:
    from kit.training import Recipe

RECIPE = "street_scenes"
BUNDLE = f"{RECIPE}.tflite"

_CALIBRATION_IMAGES = 120
_VERIFIED_IMAGES = 16
_ROUNDS = 30


@click.command()
@click.option(
    "--out",
    default=Path("runs/quickstart"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder of network and bundle; a training that is there is gone on with or used again.",
)
@click.option("--epochs", type=click.IntRange(min=1), help="Instead of the recipe's.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def quickstart(out: Path, epochs: int | None, as_json: bool) -> int:
    """Train, export, verify and benchmark on generated scenes: minutes on two cores."""
    from kit.next_step import say_next
    from kit.training import Recipe
    from mobile_export.verifier import VerificationError

    try:
        content = run_quickstart(Recipe.load(RECIPE), out, epochs=epochs)
    except VerificationError as error:
        report = error.report
        click.echo(json.dumps(report.to_dict(), indent=2) if as_json else report.table())
        return 1
    click.echo(json.dumps(content, indent=2) if as_json else _text(content))
    say_next([content["network"], content["bundle"]], "tierseg", "demo", content["bundle"])
    return 0


def run_quickstart(
    recipe: "Recipe",
    out: Path,
    *,
    epochs: int | None = None,
    min_agreement: float = 0.9,
    rounds: int = _ROUNDS,
) -> dict[str, Any]:
    """Goes the whole way from a recipe to a bundle whose metadata holds measured figures.

    Args:
        recipe: what to train, on which data.
        out: folder of `network.keras`, `history.json` and the bundle `street_scenes.tflite`.
        epochs: instead of the recipe's.
        min_agreement: share of pixels on which each int8 tier must agree with Keras.
        rounds: timed calls of each tier.

    Returns:
        `bundle` and `network`, their paths; `size_bytes`; `data`; `tiers`, a dictionary for each:
        `tier`, `parameters`, `macs`, `float_miou`, `float_dice`, `int8_miou`, `int8_dice` (0-1),
        `latency_ms`; `verification`; `machine`; `seconds` of each step.

    Raises:
        InputError: the data are missing, or `out` holds a training of another recipe.
        VerificationError: the bundle fails a check.
    """
    from kit.data import open_dataset
    from kit.training import train
    from mobile_export.benchmark import benchmark
    from mobile_export.evaluation import evaluate_bundle, evaluate_network
    from mobile_export.exporter import export
    from mobile_export.metadata import add_figures
    from mobile_export.sampling import spread
    from mobile_export.verifier import VerificationError, verify

    steps = Steps(6)
    bundle = out / BUNDLE
    data = {
        split: open_dataset(recipe.data, split, **recipe.data_options)
        for split in ("train", "val", "test")
    }
    steps.begin("train", f"recipe {recipe.name}, {epochs or recipe.epochs} epochs")
    network = train(recipe, out, epochs=epochs, resume=True).network
    images = spread(data["train"], _CALIBRATION_IMAGES)
    steps.begin("export", f"int8, {len(network.tiers)} tiers, {len(images)} calibration images")
    made = export(
        network,
        bundle,
        images,
        labels=data["train"].classes,
        license=data["train"].license,
        min_agreement=min_agreement,
    )
    unseen = spread(data["val"], _VERIFIED_IMAGES)
    steps.begin("verify", f"against Keras on {len(unseen)} images that it has not seen")
    report = verify(bundle, network, unseen, min_agreement=min_agreement)
    if not report.passed:
        raise VerificationError(report)
    test = data["test"]
    steps.begin("evaluate", f"float and int8 on {len(test)} test images")
    in_float, in_int8 = evaluate_network(network, test), evaluate_bundle(bundle, test)
    steps.begin("benchmark", "every tier in turns, one thread")
    timed = benchmark([bundle], rounds=rounds)
    steps.begin("record", "the figures in the bundle's metadata")
    measured, latencies = in_int8.figures(), timed.figures(bundle)
    metadata = add_figures(bundle, {name: measured[name] | latencies[name] for name in measured})
    floats = {score.tier: score for score in in_float.scores}
    tiers = [
        {
            "tier": entry["name"],
            "parameters": entry["parameters"],
            "macs": entry["macs"],
            "float_miou": round(floats[entry["name"]].miou, 5),
            "float_dice": round(floats[entry["name"]].dice, 5),
            "int8_miou": entry["miou"],
            "int8_dice": entry["dice"],
            "latency_ms": entry["latency_ms"],
        }
        for entry in metadata["tiers"]
    ]
    return {
        "bundle": str(bundle),
        "network": str(out / "network.keras"),
        "size_bytes": bundle.stat().st_size,
        "data": {"name": test.name, "split": test.split, "images": len(test)},
        "tiers": tiers,
        "verification": made.report.to_dict(),
        "machine": timed.machine,
        "seconds": steps.seconds(),
    }


def _text(content: dict[str, Any]) -> str:
    from mobile_export.tables import Column, millions, milliseconds, percent, text_table

    columns = (
        Column("tier", "tier"),
        Column("M parameters", "parameters", millions),
        Column("M MACs", "macs", millions),
        Column("float mIoU", "float_miou", percent),
        Column("int8 mIoU", "int8_miou", percent),
        Column("float Dice", "float_dice", percent),
        Column("int8 Dice", "int8_dice", percent),
        Column("int8 ms", "latency_ms", milliseconds),
    )
    data, machine, seconds = content["data"], content["machine"], content["seconds"]
    return "\n".join(
        [
            text_table(columns, content["tiers"]),
            f"mIoU and Dice in percent on {data['images']} images of {data['name']} "
            f"{data['split']}; median latency with {machine['threads']} thread on {machine['cpu']}",
            f"{sum(seconds.values()):.0f} s: "
            + ", ".join(f"{name} {spent:.0f}" for name, spent in seconds.items()),
            f"The bundle: {content['bundle']} ({content['size_bytes'] / 1e6:.2f} MB)",
        ]
    )
