"""Sparse coding blocks arrive as int8 bundles, one signature for each number of unfoldings."""

from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import kit
from kit.data import STREET_CLASSES
from mobile_export.exporter import export
from mobile_export.prediction import predict
from mobile_export.runtime import Bundle, Segmenter
from tests.kit.small import trained_dictionaries

SIZE = (32, 48)
TIERS = {"t0": "l" * 9, "t2": "h" * 9}


def images() -> list[np.ndarray]:
    """Coloured blocks, which a network without training still tells apart."""
    rng = np.random.default_rng(2)
    blocks = rng.integers(0, 256, (4, 4, 6, 3), dtype=np.uint8)
    return list(blocks.repeat(8, axis=1).repeat(8, axis=2))


def convolutions(model: bytes) -> dict[str, tuple[int, int]]:
    """Of each signature, how many convolutions and transposed ones it has."""
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    codes = [code.builtinCode for code in content.operatorCodes]
    found = {}
    for entry in content.signatureDefs:
        kinds = [
            codes[item.opcodeIndex] for item in content.subgraphs[entry.subgraphIndex].operators
        ]
        found[entry.signatureKey.decode()] = (
            kinds.count(schema.BuiltinOperator.CONV_2D),
            kinds.count(schema.BuiltinOperator.TRANSPOSE_CONV),
        )
    return found


@pytest.mark.parametrize(
    ("policy", "unfoldings", "configurations"),
    [("float32", 2, TIERS), ("qat", 1, {"t1": TIERS["t2"]})],
)
def test_every_unfolding_runs_in_integers(
    policy: str, unfoldings: int, configurations: dict[str, str], tmp_path: Path
) -> None:
    keras.utils.set_random_seed(1)
    network = kit.CSCUNet(
        3, SIZE, width=1 / 16, unfoldings=unfoldings, configurations=configurations
    )
    trained_dictionaries(network.blocks)
    network.classify.kernel.assign(4 * network.classify.kernel)
    batch = np.stack(images()).astype("float32")
    network.recalibrate([batch])
    if policy != "float32":
        network = kit.quantize(network, policy, [batch])
    result = export(
        network, tmp_path / "csc.tflite", images(), labels=STREET_CLASSES[:3], min_agreement=0.8
    )
    assert result.report.passed
    # Adjoints are convolutions: 2 of the encoding and 4 of each unfolding in nine blocks, the head.
    expected = {tier: (9 * (2 + 4 * int(tier[1])) + 1, 4) for tier in configurations}
    assert convolutions(Bundle.open(result.path).model_bytes) == expected

    segmenter = Segmenter(result.path, threads=1, warm_up="none")
    masks = {}
    for tier in configurations:
        masks[tier] = predict(network.predictor(tier), images())["mask"]
        assert len(np.unique(masks[tier])) > 1
        int8 = [segmenter(image, tier, native=True).mask for image in images()]
        assert (np.stack(int8) == masks[tier]).mean() > 0.85
    if len(masks) > 1:
        assert (masks["t0"] != masks["t2"]).mean() > 0.02
