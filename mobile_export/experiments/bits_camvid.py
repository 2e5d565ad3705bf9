"""Bit-width decay (BFCN, arXiv 1612.00212) of an FCN-8s on CamVid.

One network is trained in float32; every row goes on from it for the same steps on the same data
order: in float32, in 8 bits, at fewer by decay, which passes through the wider widths in equal
parts of the epochs, and at the fewest directly, as the control. Scored on the test split in
Keras, for LiteRT has no convolution on bits; sizes are those of packed files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import keras

from kit.quantization.packed import pack
from kit.training import Recipe
from mobile_export.experiments.parallel import side_by_side
from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.runs import scored
from mobile_export.experiments.settings import Settings
from mobile_export.metadata import versions
from mobile_export.runtime.files import replacing
from mobile_export.tables import Column, percent, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NAME = "bits_camvid"
BASE = "base"
FLOAT = "float"

_DECAY = ((8, 8), (4, 4), (3, 3), (2, 2), (1, 2))
ROWS: Mapping[str, tuple[tuple[int, int], ...]] = {
    FLOAT: (),
    "8-8": _DECAY[:1],
    "4-4": _DECAY[:2],
    "3-3": _DECAY[:3],
    "2-2": _DECAY[:4],
    "1-2": _DECAY,
    "2-2_direct": ((2, 2),),
    "1-2_direct": ((1, 2),),
}
"""Name of a row -> the widths, of weights and activations, that its training passes through."""

_NETWORK: Mapping[str, Any] = {
    "family": "fcn_vgg16",
    "width": 0.25,
    "encoder_weights": None,
    "exits": (),
}


@dataclass(frozen=True)
class Scale:
    """How large the study is.

    Args:
        recipe: fields that differ from the recipe `camvid_deeplab` in every run.
        base: further ones, of the network that all rows go on from.
        row: further ones, of each row.
    """

    recipe: Mapping[str, Any]
    base: Mapping[str, Any]
    row: Mapping[str, Any]


SCALES = {
    "quick": Scale(
        {"crop_size": (64, 96), "image_size": (96, 128)},
        {"epochs": 2},
        {"epochs": 5, "learning_rate": 5e-4},
    ),
    "full": Scale(
        {"crop_size": (96, 128), "image_size": (192, 256)},
        {"epochs": 30},
        {"epochs": 10, "learning_rate": 5e-4},
    ),
}


def recipe_of(name: str, settings: Settings) -> Recipe:
    """What one run trains.

    Args:
        name: `BASE`, or one of `ROWS`, which needs the base to be trained.
        settings: as of `run`. `out` is a part of a row's recipe, which names the base's file: give
            it alike wherever runs of one study are made.
    """
    scale = SCALES[settings.scale]
    recipe = replace(Recipe.load("camvid_deeplab"), **_NETWORK, **scale.recipe)
    if settings.data:
        recipe = replace(recipe, data=settings.data)
    if name == BASE:
        return replace(recipe, name=name, **scale.base)
    initial = settings.out / f"{BASE}_{settings.seed}" / "network.keras"
    recipe = replace(recipe, name=name, initial=str(initial), **scale.row)
    widths = ROWS[name]
    if not widths:
        return recipe
    return replace(recipe, precision="qat", bit_widths=widths)


def run_row(name: str, settings: Settings) -> dict[str, Any]:
    """Trains, scores and packs one row, or finds what was done before; on any Keras backend.

    Args:
        name: as of `recipe_of`.
        settings: as of `run`.

    Returns:
        As of `scored`, and `packed_bytes`.
    """
    scores = scored(recipe_of(name, settings), settings.out, settings.seed, "test")
    folder = settings.out / f"{name}_{settings.seed}"
    size = folder / "packed.json"
    if not size.is_file():
        packed = folder / "network.packed"
        pack(keras.saving.load_model(folder / "network.keras", compile=False), packed)
        with replacing(size) as partial:
            partial.write_text(json.dumps({"packed_bytes": packed.stat().st_size}))
    return {**scores, **json.loads(size.read_text())}


def run(settings: Settings) -> Results:
    """Trains, scores and packs every row; runs that are in `settings.out` are used again.

    Raises:
        InputError: the data are missing, or `settings.out` holds a training of another recipe.
    """
    side_by_side(run_row, [(BASE, settings)])
    found = side_by_side(run_row, [(name, settings) for name in ROWS])
    runs = dict(zip(ROWS, found, strict=True))
    rows = [_row(name, runs) for name in ROWS]
    recipe = recipe_of(FLOAT, settings)
    by_name = {row["row"]: row for row in rows}
    about = {
        "command": settings.command(NAME),
        "seed": settings.seed,
        "data": f"{recipe.data} test, Keras",
        "network": "FCN-8s on a quarter of VGG-16's channels, from random weights",
        "crop_size": list(recipe.crop_size),
        "epochs": {"base": recipe_of(BASE, settings).epochs, "each row": recipe.epochs},
        "edges": "the first convolution and the last have 8 bits in every row but float",
        "versions": versions(),
    }
    return Results(
        name=NAME,
        title=f"Bit-width decay of FCN-8s on {recipe.data}, {settings.scale} scale",
        columns=[
            Column("row", "row"),
            Column("bits of weights/activations", "widths"),
            Column("mIoU", "miou", percent),
            Column("to float", "to_float", points),
            Column("Dice", "dice", percent),
            Column("packed kB", "packed_bytes", lambda size: f"{size / 1000:.0f}"),
            Column("float32 / packed", "ratio", lambda ratio: f"{ratio:.1f}x"),
        ],
        rows=rows,
        targets=[
            # The paper's losses on PASCAL VOC 2012: 69.8 to 67.0 and to 62.8.
            Target.at_least(
                "2/2 bits by decay to float32, mIoU, points",
                -2.8,
                100 * by_name["2-2"]["to_float"],
            ),
            Target.at_least(
                "1/2 bits by decay to float32, mIoU, points",
                -7.0,
                100 * by_name["1-2"]["to_float"],
            ),
            *(
                Target.at_least(
                    f"{name.replace('-', '/')} bits, decay to direct, mIoU, points",
                    0.0,
                    100 * (by_name[name]["miou"] - by_name[f"{name}_direct"]["miou"]),
                )
                for name in ("2-2", "1-2")
            ),
        ],
        about=about,
        draw=lambda axes: _draw(axes, rows),
        details={"runs": found},
    )


def _row(name: str, runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of one run; the network has one tier."""
    own, plain = runs[name], runs[FLOAT]
    (miou,), (dice,), (plain_miou,) = (
        scores.values() for scores in (own["miou"], own["dice"], plain["miou"])
    )
    widths = ROWS[name]
    return {
        "row": name,
        "widths": "/".join(map(str, widths[-1])) if widths else "32/32",
        "miou": miou,
        "to_float": round(miou - plain_miou, 5),
        "dice": dice,
        "packed_bytes": own["packed_bytes"],
        "ratio": round(plain["packed_bytes"] / own["packed_bytes"], 3),
    }


def _draw(axes: "Axes", rows: list[dict[str, Any]]) -> None:
    """MIoU against the packed size."""
    for label, is_direct, mark in (("float32 and by decay", False, "o-"), ("directly", True, "s")):
        chosen = [row for row in rows if row["row"].endswith("direct") == is_direct]
        axes.plot(
            [row["packed_bytes"] / 1e6 for row in chosen],
            [100 * row["miou"] for row in chosen],
            mark,
            label=label,
        )
        for row in chosen:
            axes.annotate(
                row["widths"],
                (row["packed_bytes"] / 1e6, 100 * row["miou"]),
                xytext=(5, -12),
                textcoords="offset points",
            )
    axes.set_xscale("log")
    axes.set_xlabel("packed size, MB")
    axes.set_ylabel("mIoU, percent")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
