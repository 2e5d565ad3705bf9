"""Refuses a bundle that is not int8, not complete or not equal to its network."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
from tqdm import tqdm

from kit import AdaptiveNetwork
from kit.errors import InputError
from kit.quantization import FakeQuant
from mobile_export.fake_quant_comparison import compare_fake_quant
from mobile_export.inspection import Inspection
from mobile_export.packing import single
from mobile_export.prediction import predict
from mobile_export.report import Check, VerificationReport
from mobile_export.runtime.bundle import Bundle
from mobile_export.runtime.complexity import SizeByComplexity
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.image_io import resized
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.runtime.stages import read_chains
from mobile_export.runtime.tier_info import read_tiers

_KEYS = (
    "name",
    "version",
    "sha256",
    "labels",
    "image",
    "tiers",
    "default_tier",
    "calibration",
    "versions",
    "training",
)
_SIZE_LIMIT = 1.10
_SIZE_LIMIT_OF_EXITS = 1.15  # beside the weights of the heads
_SIZE_ALLOWANCE = 40_000  # bytes of graph and scales of a further signature, for small networks
_NEAR_SHARE = 0.999  # of an operator's values, that must be within one step of training's
_OUTPUTS = ({"mask", "confidence"}, {"logits"})

Outputs = dict[str, list[dict[str, np.ndarray]]]


class VerificationError(RuntimeError):
    """A bundle was refused.

    Attributes:
        report: the `VerificationReport`.
    """

    def __init__(self, report: VerificationReport) -> None:
        super().__init__(f"{report.path} is refused: {report.failures}")
        self.report = report


def verify(
    path: str | os.PathLike[str],
    network: AdaptiveNetwork | None = None,
    images: Sequence[np.ndarray] | None = None,
    *,
    tiers: Sequence[str] | None = None,
    min_agreement: float = 0.9,
) -> VerificationReport:
    """Looks whether a bundle fulfils the contract.

    Args:
        path: the bundle.
        network: the network that it was made of, to compare with.
        images: uint8 arrays `(height, width, 3)`, RGB, of any size, to run the tiers on; noise if
            None, and then the network is not compared, since nothing was learned about noise.
        tiers: names of the signatures that the bundle must hold, stages included; those that its
            metadata lists if None.
        min_agreement: smallest share of pixels, over all images, to which a signature and its Keras
            tier must give the same class. On a trained network 8 bits change 1-3 % of the pixels,
            nearly all at the borders of segments.

    Returns:
        The report; `passed` tells whether all is well.

    Raises:
        TiersegError: there is no such file, or it is no `.tflite`.
    """
    content = Path(path).read_bytes() if Path(path).is_file() else b""
    if content[4:8] != b"TFL3":
        Bundle.open(path)
    try:
        bundle = Bundle.from_bytes(content, str(path))
    except TiersegError as error:
        return VerificationReport(str(path), (Check("checksum", False, str(error)),))
    checks = [_checksum(bundle), _metadata(bundle)]
    inspection = Inspection(bundle.model_bytes)
    expected = list(tiers) if tiers is not None else _listed(bundle) or list(inspection.signatures)
    checks.append(_signatures(inspection, expected))
    present = [name for name in expected if name in inspection.signatures]
    for name, fault in _PER_SIGNATURE.items():
        checks.append(_each(name, present, partial(fault, inspection)))
    checks += [_weights(inspection), _size(bundle, inspection)]
    try:
        interpreter = Interpreter(bundle.model_bytes, threads=os.cpu_count() or 1, name=bundle.name)
    except TiersegError as error:
        checks.append(Check("runs", False, str(error)))
        return VerificationReport(str(path), tuple(checks))
    begun = len(checks)
    checks.append(_interface(bundle, interpreter, present))
    if _has_stages(bundle):
        checks.append(_stages(bundle, interpreter))
    if not all(check.passed for check in checks[begun:]):
        return VerificationReport(str(path), tuple(checks))
    signatures = interpreter.signatures
    one_shot = [
        name
        for name in present
        if set(signatures[name].inputs) == {"image"} and not signatures[name].states
    ]
    pictures = _noise() if images is None else images
    try:
        outputs = _run(interpreter, one_shot, pictures)
        chained = [_chained(bundle, interpreter, outputs, pictures)] if _has_stages(bundle) else []
    except TiersegError as error:
        checks.append(Check("runs", False, str(error)))
        return VerificationReport(str(path), tuple(checks))
    checks += [_runs(bundle, outputs), _different(bundle, outputs), *chained]
    if network is not None and images is not None:
        checks.append(_agreement(outputs, network, images, min_agreement))
        if checks[-1].passed and isinstance(network.arithmetic, FakeQuant):
            checks.append(_rounding(bundle, one_shot, network, images))
    return VerificationReport(str(path), tuple(checks))


# === The file ===


def _checksum(bundle: Bundle) -> Check:
    if bundle.metadata is None:
        return Check("checksum", False, "there is no metadata to hold one")
    return Check("checksum", True, f"sha256 {bundle.metadata['sha256'][:12]}… is that of the model")


def _metadata(bundle: Bundle) -> Check:
    if bundle.metadata is None:
        return Check("metadata", False, "metadata.json must be appended as a zip; got none")
    missing = [key for key in _KEYS if key not in bundle.metadata]
    if missing:
        return Check("metadata", False, f"{', '.join(missing)} must be there; got none")
    listed = [str(entry.get("signature")) for entry in bundle.metadata["tiers"]]
    default = bundle.metadata["default_tier"]
    if default not in listed:
        return Check("metadata", False, f"default_tier must be one of {listed}; got {default!r}")
    try:
        SizeByComplexity.read(bundle)
    except TiersegError as error:
        return Check("metadata", False, str(error))
    return Check("metadata", True, f"complete, lists {len(listed)} tiers")


def _listed(bundle: Bundle) -> list[str]:
    """The signatures that the metadata names: tiers, then stages."""
    entries = (bundle.metadata or {}).get("tiers", [])
    tiers = [str(entry.get("signature")) for entry in entries]
    return tiers + [str(stage) for entry in entries for stage in entry.get("stages", [])[-1:]]


def _has_stages(bundle: Bundle) -> bool:
    return any(entry.get("stages") for entry in (bundle.metadata or {}).get("tiers", []))


def _signatures(inspection: Inspection, expected: Sequence[str]) -> Check:
    found = list(inspection.signatures)
    missing = [name for name in expected if name not in found]
    extra = [name for name in found if name not in expected]
    graphs = sorted(inspection.signatures.values())
    if missing or extra or not found:
        faults = [f"{name} is missing" for name in missing] + [f"{name} is extra" for name in extra]
        return Check("signatures", False, ", ".join(faults) or "the model has none")
    if graphs != list(range(inspection.graphs)):
        return Check("signatures", False, f"each must have a graph of its own; got graphs {graphs}")
    return Check("signatures", True, f"{len(found)}: {', '.join(found)}")


def _weights(inspection: Inspection) -> Check:
    count, size = inspection.repeated_weights()
    found = (
        f"{count} kernels ({size} bytes) are stored again" if count else "each kernel is there once"
    )
    return Check("weights", not count, found)


def _size(bundle: Bundle, inspection: Inspection) -> Check:
    """Whether tiers share what they have in common: weights, scales, structure."""
    model = bundle.model_bytes
    singles = {name: len(single(model, name)) for name in inspection.signatures}
    name = max(singles, key=singles.__getitem__, default="")
    largest = singles.get(name, len(model))
    # Heads that the largest tier has not: their kernels are no repetition.
    heads = inspection.kernel_bytes() - inspection.kernel_bytes(name) if name else 0
    share = _SIZE_LIMIT_OF_EXITS if _has_stages(bundle) else _SIZE_LIMIT
    limit = max(share * largest, largest + _SIZE_ALLOWANCE * (len(singles) - 1)) + heads
    found = (
        f"{len(model)} bytes, {(len(model) - heads) / largest:.3f} × the largest tier alone "
        f"({largest})" + (f" without the {heads} bytes of other heads" if heads else "")
    )
    return Check("size", len(model) <= limit, found)


# === Each signature ===


def _foreign(inspection: Inspection, name: str) -> str:
    found = inspection.foreign_operators(name)
    return f"{', '.join(found)}, which LiteRT has not" if found else ""


def _floats(inspection: Inspection, name: str) -> str:
    found = inspection.float_operators(name)
    return f"works in float: {', '.join(found)}" if found else ""


def _scales(inspection: Inspection, name: str) -> str:
    count = inspection.wrong_scales(name)
    return f"{count} tensors without a finite scale above 0" if count else ""


def _dynamic(inspection: Inspection, name: str) -> str:
    count = inspection.dynamic_tensors(name)
    return f"{count} tensors of a shape that is not fixed" if count else ""


_PER_SIGNATURE: Mapping[str, Callable[[Inspection, str], str]] = {
    "operators": _foreign,
    "integers": _floats,
    "scales": _scales,
    "shapes": _dynamic,
}


def _each(check: str, signatures: Sequence[str], fault: Callable[[str], str]) -> Check:
    """A check that every signature must pass; `fault` gives what is off, or nothing."""
    faults = {name: found for name in signatures if (found := fault(name))}
    detail = "; ".join(f"{name}: {found}" for name, found in faults.items())
    return Check(check, not faults, detail or f"as they must be in {len(signatures)} signatures")


def _interface(bundle: Bundle, interpreter: Interpreter, signatures: Sequence[str]) -> Check:
    sizes = {
        str(entry.get("signature")): tuple(entry.get("input_size", ()))
        for entry in (bundle.metadata or {}).get("tiers", [])
    }
    stages = {
        str(stage)
        for entry in (bundle.metadata or {}).get("tiers", [])
        for stage in entry.get("stages", [])
    }
    # Masks have the images' size unless the metadata tell another.
    metadata = bundle.metadata or {}
    mask = metadata.get("mask", metadata.get("image", {}))
    native = (mask.get("height"), mask.get("width"))

    def fault(name: str) -> str:
        signature = interpreter.signatures[name]
        if name in stages:
            return signature.fault  # its states are judged with those of its neighbours
        if set(signature.inputs) != {"image"} or set(signature.outputs) not in _OUTPUTS:
            return (
                "must take `image` and give `mask` and `confidence`, or `logits`; "
                f"takes {', '.join(signature.inputs)} and gives {', '.join(signature.outputs)}"
            )
        if signature.is_tier:
            wrong = signature.fault
            got = signature.outputs["mask"].shape[1:]
            if not wrong and None not in native and got != native:
                wrong = f"output `mask` must be {native}, got {got}"
        else:
            tensors = [signature.inputs["image"], signature.outputs["logits"]]
            fits = all(
                t.dtype == np.uint8 and len(t.shape) == 4 and t.shape[0] == 1 for t in tensors
            )
            wrong = "" if fits else f"must be uint8, batch 1; got {tensors[0]} and {tensors[1]}"
        got = signature.inputs["image"].shape[1:3]
        if not wrong and name in sizes and got != sizes[name]:
            wrong = f"input `image` must be {sizes[name]} as metadata says, got {got}"
        return wrong

    return _each("interface", signatures, fault)


def _stages(bundle: Bundle, interpreter: Interpreter) -> Check:
    """Whether what each stage gives is what the next one takes, scales included."""
    try:
        chains = read_chains(bundle.name, interpreter, read_tiers(bundle, interpreter.signatures))
    except TiersegError as error:
        return Check("stages", False, str(error))
    inspection = Inspection(bundle.model_bytes)
    faults = []
    for chain in chains.values():
        for before, after in pairwise(chain.stages):
            given, taken = inspection.scales(before, "outputs"), inspection.scales(after, "inputs")
            faults += [
                f"{name} of {before} has scale {given.get(name)}, in {after} {scale}"
                for name, scale in taken.items()
                if given.get(name) != scale
            ]
    found = f"{sum(len(chain.stages) for chain in chains.values())} in {len(chains)} chains"
    return Check("stages", not faults, "; ".join(faults) or found)


# === What it does ===


def _noise() -> list[np.ndarray]:
    """Images on which any two networks differ: noise of several grain sizes."""
    rng = np.random.default_rng(0)
    grains = [rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (4, 16, 64)]
    return [np.kron(grain, np.ones((64 // len(grain),) * 2 + (1,), np.uint8)) for grain in grains]


def _run(
    interpreter: Interpreter, signatures: Sequence[str], images: Sequence[np.ndarray]
) -> Outputs:
    """Every output of every signature on every image."""
    outputs: Outputs = {}
    work = tqdm(signatures, desc="run", unit="tier", delay=2, disable=None)
    for name in work:
        _, height, width, _ = interpreter.signatures[name].inputs["image"].shape
        inputs = [resized(image, (height, width))[None] for image in images]
        outputs[name] = [interpreter.run(name, {"image": pixels})[0] for pixels in inputs]
    return outputs


def _runs(bundle: Bundle, outputs: Outputs) -> Check:
    classes = len(bundle.labels)

    def fault(name: str) -> str:
        ids = [int(given["mask"].max()) for given in outputs[name] if "mask" in given]
        if classes and max(ids, default=0) >= classes:
            return f"gives class id {max(ids)} where there are {classes} labels"
        return ""

    return _each("runs", list(outputs), fault)


def _different(bundle: Bundle, outputs: Outputs) -> Check:
    """Whether no two tiers give the same, but where they run the same branches up to an exit."""
    runs = {
        str(entry.get("signature")): (entry["branches"], entry["exit"], entry.get("input_size"))
        for entry in (bundle.metadata or {}).get("tiers", [])
        if entry.get("exit") and entry.get("branches")
    }
    same = [
        f"{first} and {second}"
        for first, second in combinations(outputs, 2)
        if not (first in runs and runs[first] == runs.get(second))
        and all(
            np.array_equal(a[key], b[key])
            for a, b in zip(outputs[first], outputs[second], strict=True)
            for key in a
        )
    ]
    return Check(
        "difference",
        not same,
        ", ".join(same) + " give the same" if same else "no two tiers give the same",
    )


def _chained(
    bundle: Bundle,
    interpreter: Interpreter,
    outputs: Outputs,
    images: Sequence[np.ndarray],
) -> Check:
    """Whether chained stages give byte for byte what each tier gives in one shot."""
    infos = [info for info in read_tiers(bundle, interpreter.signatures) if info.stages]
    faults: list[str] = []
    by_stage = {info.stages[-1]: info for info in infos}
    for first in sorted({info.stages[0] for info in infos}):
        chain = max((info.stages for info in infos if info.stages[0] == first), key=len)
        for place, image in enumerate(images):
            size = by_stage[first].input_size
            given: dict[str, np.ndarray] = {"image": resized(image, size)[None]}
            for stage in chain:
                found, _ = interpreter.run(stage, given)
                info = by_stage[stage]
                same = [
                    np.array_equal(found[key], outputs[info.signature][place][key])
                    for key in ("mask", "confidence")
                ]
                if not all(same):
                    faults.append(f"{stage} and {info.signature} differ on image {place}")
                given = {key: value for key, value in found.items() if key.startswith("state_")}
    detail = f"{len(infos)} tiers, on {len(images)} images"
    return Check("chained", not faults, "; ".join(faults[:4]) or f"as in one shot: {detail}")


def _agreement(
    outputs: Outputs,
    network: AdaptiveNetwork,
    images: Sequence[np.ndarray],
    least: float,
) -> Check:
    known = {tier.name for tier in network.tiers}
    shares = {}
    for name in tqdm(outputs, desc="compare", unit="tier", delay=2, disable=None):
        if name not in known:
            return Check("agreement", False, f"the network must have tier {name}; got none")
        kind = "mask" if "mask" in outputs[name][0] else "logits"
        model = network.predictor(name) if kind == "mask" else network.logits_model(name)
        theirs = np.concatenate([predict(model, [image])[kind] for image in images])
        mine = np.concatenate([given[kind] for given in outputs[name]])
        if kind == "logits":
            theirs, mine = theirs.argmax(-1), mine.argmax(-1)
        if mine.shape != theirs.shape:
            found = f"{name} must give {theirs.shape[1:]}, got {mine.shape[1:]}"
            return Check("agreement", False, found)
        shares[name] = float((mine == theirs).mean())
    worst = min(shares, key=shares.__getitem__)
    found = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    return Check(
        "agreement",
        shares[worst] >= least,
        f"of pixels as in Keras, {100 * least:g} % at least: {found}",
    )


def _rounding(
    bundle: Bundle,
    signatures: Sequence[str],
    network: AdaptiveNetwork,
    images: Sequence[np.ndarray],
) -> Check:
    """Whether each operator rounds as the network did in training, on the first image.

    That of the logits is told and not judged: what float32 rounds differently adds up on the way.
    """
    worst, faults, logits, joined = 1.0, [], [], set()
    for name in tqdm(signatures, desc="round", unit="tier", delay=2, disable=None):
        try:
            found = compare_fake_quant(bundle.model_bytes, name, network, images[:1])
        except InputError as error:
            return Check("rounding", False, f"{name}: {error}")
        for step, layer in zip(found.steps, found.layers, strict=True):
            worst = min(worst, step.near_share)
            if step.near_share < _NEAR_SHARE:
                faults.append(f"{name}: {step.name} of {layer} on {100 * step.near_share:.2f} %")
        joined |= set(found.joined)
        logits.append(f"{name} {100 * found.logits.near_share:.1f} %")
    detail = (
        f"within one step of training, each operator by itself on {100 * worst:.2f} % of its "
        f"values; logits from the image on: {', '.join(logits)}"
        + (f"; {len(joined)} tensors have the range of what they are joined to" if joined else "")
    )
    return Check("rounding", not faults, "; ".join(faults[:4]) or detail)
