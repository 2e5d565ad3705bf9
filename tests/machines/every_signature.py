"""Runs every signature of a bundle on images and keeps what each gave, to compare machines by.

    python every_signature.py OUT.npz BUNDLE IMAGE...

It needs the runtime alone, so that the Python of an old or foreign machine can run it. Stages are
chained as an app chains them: each takes the states that the one before gave on the same machine.
"""

import sys
from pathlib import Path

import numpy as np

from mobile_export.runtime import Segmenter, load_image, resized
from mobile_export.runtime.bundle import Bundle
from mobile_export.runtime.interpreter import Interpreter

LATENCIES = "latency_ms/"
"""What the names of the tiers' times begin with, among those of outputs."""


def every_signature(bundle: Path, images: list[Path]) -> dict[str, np.ndarray]:
    """Outputs of all signatures by `SIGNATURE/OUTPUT`, one row an image, and each tier's times."""
    opened = Bundle.open(bundle)
    segmenter = Segmenter(opened, threads=1, warm_up="none")
    interpreter = Interpreter(opened.model_bytes, name=bundle.name)
    chains = {segmenter.info(tier).stages for tier in segmenter.tiers}
    whole = [chain for chain in chains if not any(_begins(other, chain) for other in chains)]
    found: dict[str, list[np.ndarray]] = {}
    for image in map(load_image, images):
        for tier in segmenter.tiers:
            result = segmenter(image, tier, native=True)
            signature = segmenter.info(tier).signature
            found.setdefault(f"{signature}/mask", []).append(result.mask)
            confidence = np.uint8(round(255 * result.confidence))
            found.setdefault(f"{signature}/confidence", []).append(np.array(confidence))
            found.setdefault(LATENCIES + tier, []).append(np.array(result.latency_ms))
        for chain in filter(None, whole):
            _run(interpreter, chain, image, found)
    return {name: np.stack(rows) for name, rows in found.items()}


def _begins(longer: tuple[str, ...], shorter: tuple[str, ...]) -> bool:
    return len(longer) > len(shorter) and longer[: len(shorter)] == shorter


def _run(
    interpreter: Interpreter,
    stages: tuple[str, ...],
    image: np.ndarray,
    found: dict[str, list[np.ndarray]],
) -> None:
    """One chain of stages from the image to its end."""
    _, height, width, _ = interpreter.signatures[stages[0]].inputs["image"].shape
    given = {"image": resized(image, (height, width))[None]}
    for stage in stages:
        outputs, _ = interpreter.run(stage, given)
        for name, value in outputs.items():
            found.setdefault(f"{stage}/{name}", []).append(value[0])
        given = {name: outputs[name] for name in interpreter.signatures[stage].states}


if __name__ == "__main__":
    outputs = every_signature(Path(sys.argv[2]), [Path(name) for name in sys.argv[3:]])
    np.savez_compressed(sys.argv[1], **outputs)  # type: ignore[arg-type]
