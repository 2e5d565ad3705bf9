"""Networks with a tail arrive as int8 bundles whose masks are larger than the images."""

from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit.data import STREET_CLASSES
from mobile_export.exporter import export
from mobile_export.prediction import predict
from mobile_export.runtime import Bundle, Segmenter

SIZE, LARGE = (32, 32), (256, 256)


def images() -> list[np.ndarray]:
    """Coloured blocks, which a network without training still tells apart."""
    rng = np.random.default_rng(2)
    blocks = rng.integers(0, 256, (4, 4, 4, 3), dtype=np.uint8)
    return list(blocks.repeat(8, axis=1).repeat(8, axis=2))


@pytest.mark.parametrize(
    ("policy", "classes", "kind", "depthwise"),
    [
        ("float32", 3, "learned", True),
        ("float32", 2, "learned", False),
        ("float32", 3, "pixel_shuffle", False),
        ("qat", 2, "learned", False),
        ("qat", 2, "pixel_shuffle", False),
    ],
)
def test_the_mask_is_large_in_every_signature(
    policy: str, classes: int, kind: str, depthwise: bool, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(1)
    # An exit, and with it stages, once: each signature takes seconds to convert.
    exits = [{"after": 2}] if depthwise else []
    network = kit.FCNVGG16(classes, SIZE, width=0.05, exits=exits)
    rng = np.random.default_rng(3)
    for skip in network.head.skips:  # zeros have no range in integers
        skip.kernel.assign(rng.normal(0, 0.3, skip.kernel.shape))
    network = network.with_tail(LARGE, kind=kind, depthwise=depthwise)
    # As after training: of convolutions that are the same yet, the converter makes one.
    for variable in (v for tail in network.tails for v in tail.trainable_variables):
        variable.assign(variable + rng.normal(0, 0.05, variable.shape))
    batch = np.stack(images()).astype("float32")
    if policy != "float32":
        network = kit.quantize(network, policy, [batch])
    result = export(network, tmp_path / "tail.tflite", images(), labels=STREET_CLASSES[:classes])
    assert result.report.passed
    metadata = Bundle.open(result.path).metadata
    assert metadata is not None
    assert (metadata["image"]["height"], metadata["image"]["width"]) == SIZE
    assert metadata["mask"] == {"height": 256, "width": 256}

    segmenter = Segmenter(result.path, threads=1, warm_up="none")
    assert segmenter.image_size == LARGE
    masks = predict(network.predictor("plain"), images())["mask"]
    agreement = []
    for image, expected in zip(images(), masks, strict=True):
        found = segmenter(image, "plain", native=True).mask
        assert found.shape == LARGE
        agreement.append((found == expected).mean())
    assert np.mean(agreement) > 0.9
