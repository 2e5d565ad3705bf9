"""The verbs `evaluate`, `export`, `verify`, `benchmark` and `pack`."""

import json
from pathlib import Path
from typing import Any

import click

from kit import AdaptiveNetwork
from kit.data import open_dataset
from kit.next_step import command, say_next
from kit.quantization import quantize
from kit.quantization.packed import pack as run_pack
from kit.search.exit_plan import ExitPlan
from mobile_export.benchmark import benchmark as run_benchmark
from mobile_export.benchmark import benchmark_runtime
from mobile_export.comparison import compare as run_comparison
from mobile_export.complexity import fit_sizes
from mobile_export.evaluation import evaluate_bundle, evaluate_network
from mobile_export.exporter import export as run_export
from mobile_export.kotlin_contract import check_kotlin, write_kotlin
from mobile_export.metadata import add_figures
from mobile_export.report import VerificationReport
from mobile_export.runtime import Bundle
from mobile_export.runtime.errors import TiersegError
from mobile_export.sampling import spread
from mobile_export.thresholds import fit_thresholds
from mobile_export.verifier import VerificationError
from mobile_export.verifier import verify as run_verify

_CALIBRATION_IMAGES = 200

_MAX_DROP = 0.5  # points of mIoU, where the search named none

_RECIPES = {"float32": "ptq", "qat": "qat", "integer": "integer"}
"""Arithmetic of a network -> how it is exported unless said otherwise."""

_FILE = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_DATA_HELP = "Data set: camvid, street_scenes or a folder."
_SPLITS = click.Choice(["train", "val", "test"])
_MIN_AGREEMENT = click.option(
    "--min-agreement",
    default=0.9,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of pixels on which each tier must agree with Keras.",
)


@click.command()
@click.argument(
    "subjects", metavar="NETWORK_OR_BUNDLE [TRAINED...]", type=_FILE, nargs=-1, required=True
)
@click.option("--data", required=True, metavar="DIR", help=_DATA_HELP)
@click.option("--split", default="test", show_default=True, type=_SPLITS)
@click.option(
    "--compare",
    "is_comparison",
    is_flag=True,
    help="What 8 bits cost NETWORK (.keras, float32), quantized as it is and as TRAINED (.keras, "
    "qat or integer) were: by class, at boundaries, and the layer with the most noise.",
)
@click.option(
    "--tier", "tiers", metavar="NAME", multiple=True, help="Tier to score; all if not given."
)
@click.option(
    "--by-complexity",
    is_flag=True,
    help="Also score tiers of the native size at the size that the detail of each image asks for: "
    "by the bundle's thresholds, or those of a network's train split.",
)
@click.option("--record", is_flag=True, help="Write the scores into the bundle's metadata.")
@_JSON
def evaluate(
    subjects: tuple[Path, ...],
    data: str,
    split: str,
    is_comparison: bool,
    tiers: tuple[str, ...],
    by_complexity: bool,
    record: bool,
    as_json: bool,
) -> None:
    """Score each tier of a network (.keras) or bundle (.tflite): mIoU, Dice, per class."""
    if is_comparison and by_complexity:
        raise TiersegError("`--compare` and `--by-complexity` exclude each other; got both")
    if is_comparison:
        networks = [load_network(path) for path in subjects]
        found = run_comparison(
            networks[0],
            networks[1:],
            open_dataset(data, split),
            open_dataset(data, "train"),
            tiers=tiers or None,
        )
        _print(found.to_dict(), found.table(), as_json)
        return
    if len(subjects) > 1:
        raise TiersegError(
            f"`TRAINED` must be used with --compare; got {', '.join(map(str, subjects[1:]))}"
        )
    subject = subjects[0]
    is_bundle = subject.suffix == ".tflite"
    if record and not is_bundle:
        raise TiersegError(f"`--record` must be used with a bundle (.tflite); got {subject}")
    dataset = open_dataset(data, split)
    if is_bundle:
        result = evaluate_bundle(subject, dataset, tiers or None, by_complexity=by_complexity)
    else:
        network, complexity = load_network(subject), None
        if by_complexity:
            complexity = fit_sizes(
                network, spread(open_dataset(data, "train"), _CALIBRATION_IMAGES)
            )
            if complexity is None:
                raise TiersegError(
                    f"`--by-complexity` needs a network with several input sizes and a train split "
                    f"whose images differ; got {subject} and {data}"
                )
        result = evaluate_network(network, dataset, tiers or None, complexity=complexity)
    if record:
        add_figures(subject, result.figures())
    _print({**result.to_dict(), "subject": str(subject)}, result.table(), as_json)
    if is_bundle:
        written = [f"{subject} (its metadata)"] if record else []
        say_next(written, "tierseg", "benchmark", subject, "--record")
    else:
        bundle = subject.with_suffix(".tflite")
        say_next([], "tierseg", "export", subject, "--data", data, "--out", bundle)


@click.command()
@click.argument("network", type=_FILE)
@click.option(
    "--data", required=True, metavar="DIR", help=f"{_DATA_HELP} Calibrates on its train split."
)
@click.option(
    "--out", required=True, metavar="FILE", type=_FILE, help="The bundle to write, *.tflite."
)
@click.option(
    "--recipe",
    type=click.Choice(["ptq", "qat", "integer"]),
    help="ptq: quantize the weights that training left; qat, integer: with the ranges of a network "
    "that was trained in this arithmetic. Defaults to how it was trained.",
)
@click.option(
    "--outputs",
    default="mask",
    show_default=True,
    type=click.Choice(["mask", "logits"]),
    help="Class ids, or logits for clients that choose the class themselves.",
)
@click.option(
    "--search",
    "plan",
    metavar="FILE",
    type=_FILE,
    help="Export the exits that `tierseg search` chose, and fit their thresholds on the val split.",
)
@click.option(
    "--tier", "tiers", metavar="NAME", multiple=True, help="Tier to export; all if not given."
)
@click.option("--default-tier", metavar="NAME", help="Tier that an app begins with.")
@click.option(
    "--images",
    default=_CALIBRATION_IMAGES,
    show_default=True,
    type=click.IntRange(min=1),
    help="Calibration images, evenly spread over the split; all if it has fewer.",
)
@click.option(
    "--evaluate-on",
    type=_SPLITS,
    help="Also measure mIoU and Dice on this split, for the metadata.",
)
@click.option(
    "--kotlin",
    metavar="FILE",
    type=_FILE,
    help="Also write what the bundle offers as a Kotlin file, *.kt, for an Android app.",
)
@click.option("--name", help="Name of the model; that of the file if not given.")
@click.option("--version", default="1", show_default=True, help="Version of the model.")
@click.option("--license", metavar="SPDX", help="Licence of the model, which an app shows.")
@_MIN_AGREEMENT
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads; the cores if not given.")
@_JSON
def export(
    network: Path,
    data: str,
    out: Path,
    recipe: str | None,
    outputs: Any,
    plan: Path | None,
    tiers: tuple[str, ...],
    default_tier: str | None,
    images: int,
    evaluate_on: str | None,
    kotlin: Path | None,
    name: str | None,
    version: str,
    license: str | None,
    min_agreement: float,
    threads: int | None,
    as_json: bool,
) -> int:
    """Write the int8 bundle of NETWORK, a signature for each tier, checked against NETWORK."""
    if kotlin is not None:
        check_kotlin(kotlin)
        if outputs != "mask":
            raise TiersegError("`--kotlin` needs `--outputs` to be mask; got logits")
    loaded = load_network(network)
    recipe = recipe or _RECIPES[loaded.arithmetic.policy]
    if recipe == "ptq":
        if loaded.arithmetic.policy != "float32":
            loaded = quantize(loaded, "float32")
    elif recipe != loaded.arithmetic.policy:
        raise TiersegError(
            f"`--recipe` {recipe} must go with a network that was trained so (a recipe of `tierseg "
            f'train` with precision = "{recipe}"); {network} is in {loaded.arithmetic.policy}'
        )
    train = open_dataset(data, "train")
    if loaded.num_classes != len(train.classes):
        raise TiersegError(
            f"{network} has {loaded.num_classes} classes; "
            f"expected the {len(train.classes)} of {data}"
        )
    chosen = None if plan is None else ExitPlan.load(plan)
    if chosen is not None:
        loaded = chosen.apply(loaded)
        if default_tier is None and not tiers:
            default_tier = chosen.default_tier
    try:
        result = run_export(
            loaded,
            out,
            spread(train, images),
            labels=train.classes,
            outputs=outputs,
            tiers=tiers or None,
            default_tier=default_tier,
            name=name,
            version=version,
            license=license,
            evaluation=open_dataset(data, evaluate_on) if evaluate_on else None,
            min_agreement=min_agreement,
            threads=threads,
        )
    except VerificationError as error:
        _report(error.report, as_json)
        return 1
    fitted = {}
    if chosen is not None and any(entry["stages"] for entry in result.manifest["tiers"]):
        drop = chosen.constraints.get("max_drop")
        fitted = fit_thresholds(
            out, open_dataset(data, "val"), max_drop=_MAX_DROP if drop is None else drop
        )
    if kotlin is not None:
        write_kotlin(out, kotlin)
    content = {
        "bundle": str(result.path),
        **({} if kotlin is None else {"kotlin": str(kotlin)}),
        "recipe": recipe,
        "size_bytes": result.size_bytes,
        "manifest": result.manifest,
        "thresholds": {name: found["thresholds"] for name, found in fitted.items()},
        "verification": result.report.to_dict(),
    }
    size = f"{result.path}: {len(result.manifest['tiers'])} tiers, {result.size_bytes / 1e6:.2f} MB"
    _print(content, f"{result.report.table()}\n{size}", as_json)
    say_next(
        [result.path],
        *("tierseg", "verify", result.path, "--network", network, "--data", data),
    )
    return 0


@click.command()
@click.argument("bundle", type=_FILE)
@click.option(
    "--network", type=_FILE, help="The network it was made of, to compare with; needs --data."
)
@click.option("--data", metavar="DIR", help=f"{_DATA_HELP} Its images are run.")
@click.option("--split", default="val", show_default=True, type=_SPLITS)
@click.option(
    "--images",
    default=16,
    show_default=True,
    type=click.IntRange(min=1),
    help="Images to run, evenly spread over the split.",
)
@_MIN_AGREEMENT
@_JSON
def verify(
    bundle: Path,
    network: Path | None,
    data: str | None,
    split: str,
    images: int,
    min_agreement: float,
    as_json: bool,
) -> int:
    """Check BUNDLE against the contract and its network; exit status 1 if anything fails."""
    if network is not None and data is None:
        raise TiersegError("`--network` needs `--data`, images to compare on; got no data")
    loaded = None if network is None else load_network(network)
    pictures = None if data is None else spread(open_dataset(data, split), images)
    report = run_verify(bundle, loaded, pictures, min_agreement=min_agreement)
    _report(report, as_json)
    if report.passed:
        say_next([], "tierseg", "benchmark", bundle, "--record")
    return 0 if report.passed else 1


@click.command()
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=_FILE)
@click.option("--threads", default=1, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--rounds",
    default=50,
    show_default=True,
    type=click.IntRange(min=1),
    help="Timed calls of each graph.",
)
@click.option(
    "--tier", "tiers", metavar="NAME", multiple=True, help="Tier to time; all if not given."
)
@click.option("--network", type=_FILE, help="Also time the tiers of this network in float32.")
@click.option(
    "--runtime", is_flag=True, help="Also measure start, memory and switching of each BUNDLE."
)
@click.option(
    "--record", is_flag=True, help="Write the latencies into the metadata of the first BUNDLE."
)
@_JSON
def benchmark(
    bundles: tuple[Path, ...],
    threads: int,
    rounds: int,
    tiers: tuple[str, ...],
    network: Path | None,
    runtime: bool,
    record: bool,
    as_json: bool,
) -> None:
    """Time every signature of each BUNDLE, or of any other .tflite, in one interleaved run."""
    loaded = None if network is None else load_network(network)
    result = run_benchmark(bundles, threads, rounds=rounds, network=loaded, tiers=tiers or None)
    content, text = result.to_dict(), result.table()
    if runtime:
        measured = [benchmark_runtime(bundle, threads, rounds=rounds) for bundle in bundles]
        content["runtime"] = measured
        text += "".join(f"\n{_runtime_line(figures)}" for figures in measured)
    if record:
        add_figures(bundles[0], result.figures(bundles[0]))
    _print(content, text, as_json)
    if _is_bundle(bundles[0]):
        masks = command("tierseg", "segment", bundles[0], "IMAGE", "--out", "masks")
        written = [f"{bundles[0]} (its metadata)"] if record else []
        say_next(written, "tierseg", "demo", bundles[0], hint=f"or masks as files: {masks}")


@click.command()
@click.argument("network", type=_FILE)
@click.option("--out", required=True, type=_FILE, help="The file to write.")
@_JSON
def pack(network: Path, out: Path, as_json: bool) -> None:
    """Write NETWORK (.keras) with its kernels in as many bits as they have."""
    loaded = load_network(network)
    if out.exists() and out.samefile(network):
        # What kernels were before they were rounded would be lost.
        raise TiersegError(f"`--out` must be another file than NETWORK; got {out}")
    size = run_pack(loaded, out)
    ratios = {"to_float32": size.packed / size.float32}
    if size.int8 is not None:
        ratios["to_int8"] = size.packed / size.int8
    result = {"packed": str(out), "bytes": size.packed, **ratios}
    shares = (f"{ratio:.3f} of {name.removeprefix('to_')}" for name, ratio in ratios.items())
    _print(result, ", ".join([f"{out}: {size.packed / 1000:.1f} kB", *shares]), as_json)
    say_next([out])


def load_network(path: Path) -> AdaptiveNetwork:
    """Reads a network from a `.keras` file.

    Args:
        path: the file.

    Raises:
        TiersegError: there is no such file, or it holds something else.
    """
    import keras

    if path.suffix != ".keras" or not path.is_file():
        found = "no such file" if not path.exists() else "another file"
        raise TiersegError(f"{path} must be a network (.keras); got {found}")
    try:
        network = keras.saving.load_model(path, compile=False)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise TiersegError(f"{path} must be a network (.keras); Keras says: {error}") from error
    if not isinstance(network, AdaptiveNetwork):
        raise TiersegError(
            f"{path} must be an adaptive network of this kit; got a {type(network).__name__}"
        )
    return network


def _report(report: VerificationReport, as_json: bool) -> None:
    _print(report.to_dict(), report.table(), as_json)


def _print(content: Any, text: str, as_json: bool) -> None:
    click.echo(json.dumps(content, indent=2) if as_json else text)


def _is_bundle(path: Path) -> bool:
    """Whether a `.tflite` is a bundle, not just any file to be timed beside one."""
    try:
        Bundle.open(path)
    except TiersegError:
        return False
    return True


def _runtime_line(figures: dict[str, Any]) -> str:
    return (
        f"{figures['bundle']}: cold start {figures['cold_start_ms']:.0f} ms (import "
        f"{figures['import_ms']:.0f}, load {figures['load_ms']:.0f}, first mask "
        f"{figures['first_mask_ms']:.0f}), resident with all tiers "
        f"{figures['resident_all_tiers_mb']:.0f} MB, switch {figures['switch_penalty_ms']:+.2f} ms"
    )
