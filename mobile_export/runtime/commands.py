"""The verb `segment`."""

import json
import shlex
import sys
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click
from PIL import Image
from tqdm import tqdm

from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.files import replacing
from mobile_export.runtime.image_io import load_image, mask_image, overlay
from mobile_export.runtime.labels import label_of
from mobile_export.runtime.result import Result
from mobile_export.runtime.segmenter import Segmenter


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument(
    "images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--tier", metavar="NAME", help="Tier to run; the bundle's default if not given.")
@click.option(
    "--within",
    metavar="MS",
    type=click.FloatRange(min=0, min_open=True),
    help="Instead of --tier: the best tier whose inference takes at most MS milliseconds here.",
)
@click.option(
    "--adaptive",
    is_flag=True,
    help="Instead of --tier: leave each image at the first exit that is sure enough of it.",
)
@click.option(
    "--by-complexity",
    is_flag=True,
    help="Run the tier at the input size that the detail of each image asks for.",
)
@click.option(
    "--threshold",
    metavar="SHARE",
    type=click.FloatRange(0, 1),
    help="With --adaptive: share of sure pixels at which to leave; the bundle's own if not given.",
)
@click.option(
    "--configuration",
    metavar="NAME",
    help="With --adaptive: configuration to run; that of the default tier if not given.",
)
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for NAME_mask.png (pixel value = class id) and NAME_overlay.png.",
)
@click.option(
    "--opacity",
    default=0.5,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Opacity of the mask in the overlay.",
)
@click.option(
    "--threads", type=click.IntRange(min=1), help="CPU threads; the cores, at most 4, if not given."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def segment(
    bundle: Path,
    images: tuple[Path, ...],
    tier: str | None,
    within: float | None,
    adaptive: bool,
    by_complexity: bool,
    threshold: float | None,
    configuration: str | None,
    out: Path,
    opacity: float,
    threads: int | None,
    as_json: bool,
) -> None:
    """Segment images with one tier of BUNDLE, or as far as each needs: a mask and an overlay each.

    With --adaptive, an image leaves at the first exit whose confidence reaches its threshold. With
    --by-complexity, images of little detail are shrunk more.
    """
    given = {"tier": tier is not None, "within": within is not None, "adaptive": adaptive}
    _check_options(given, {"threshold": threshold, "configuration": configuration})
    if by_complexity and adaptive:
        raise TiersegError("`--by-complexity` and `--adaptive` exclude each other; got both")
    _check_names(images)
    segmenter = Segmenter(bundle, threads=threads, warm_up="none")
    if adaptive:
        configuration = configuration or segmenter.info(segmenter.default_tier).configuration
        run = partial(segmenter.adaptive, configuration=configuration, threshold=threshold)
        settings = {"adaptive": True, "threshold": threshold, "configuration": configuration}
    else:
        chosen = segmenter.fastest_within(within) if within else tier or segmenter.default_tier
        segmenter.info(chosen)
        run = partial(segmenter.by_complexity if by_complexity else segmenter, tier=chosen)
        settings = {"tier": chosen, **({"by_complexity": True} if by_complexity else {})}
    rows = []
    for path in tqdm(images, desc="segment", unit="image", file=sys.stderr, delay=2, disable=None):
        image = load_image(path)
        result = run(image)
        mask_path, overlay_path = out / f"{path.stem}_mask.png", out / f"{path.stem}_overlay.png"
        _save(mask_image(result.mask, segmenter.labels), mask_path)
        painted = overlay(image, result.mask, segmenter.labels, opacity)
        _save(Image.fromarray(painted), overlay_path)
        rows.append(_row(path, mask_path, overlay_path, result, segmenter))
        if not as_json:
            tqdm.write(
                f"{mask_path}  {_place(result, segmenter)}  confidence {result.confidence:.2f}  "
                f"{result.latency_ms:.1f} ms"
            )
    if as_json:
        report = {
            "bundle": str(bundle),
            **settings,
            "threads": segmenter.threads,
            "images": rows,
        }
        click.echo(json.dumps(report, indent=2))
    click.echo(
        f"Wrote {2 * len(rows)} files into {out}. Next: tierseg demo {shlex.quote(str(bundle))}",
        err=True,
    )


def _check_options(ways: dict[str, bool], of_adaptive: dict[str, Any]) -> None:
    """Refuses two ways to choose what runs, and options of one that was not chosen."""
    chosen = [name for name, given in ways.items() if given]
    if len(chosen) > 1:
        both = " and ".join(f"`--{name}`" for name in chosen)
        raise TiersegError(f"{both} exclude each other; expected one, got {len(chosen)}")
    for name, value in of_adaptive.items():
        if value is not None and "adaptive" not in chosen:
            raise TiersegError(f"`--{name}` needs `--adaptive`; got `--{name} {value}` alone")


def _check_names(images: tuple[Path, ...]) -> None:
    """Refuses images whose outputs would overwrite each other."""
    stem, count = Counter(path.stem for path in images).most_common(1)[0]
    if count > 1:
        same = [str(path) for path in images if path.stem == stem]
        raise TiersegError(
            f"`IMAGE` must have a name of its own each, since outputs are named after it; "
            f"got {' and '.join(same[:2])}"
        )


def _save(image: Image.Image, path: Path) -> None:
    with replacing(path) as partial:
        image.save(partial, format="PNG")


def _place(result: Result, segmenter: Segmenter) -> str:
    """Which tier ran, or at which exit an adaptive run left."""
    if not result.steps:
        return f"tier {result.tier}"
    exits = segmenter.exits(segmenter.info(result.tier).configuration)
    return f"left at exit {exits.index(result.tier) + 1} of {len(exits)}, {result.tier}"


def _row(
    path: Path, mask_path: Path, overlay_path: Path, result: Result, segmenter: Segmenter
) -> dict[str, Any]:
    shares = result.shares().items()
    return {
        "image": str(path),
        "mask": str(mask_path),
        "overlay": str(overlay_path),
        "tier": result.tier,
        "exit": segmenter.info(result.tier).exit,
        "confidence": round(result.confidence, 4),
        "latency_ms": round(result.latency_ms, 3),
        "total_ms": round(result.total_ms, 3),
        "steps": [asdict(step) for step in result.steps],
        "shares": {label_of(k, segmenter.labels).name: round(share, 4) for k, share in shares},
    }
