"""A bundle with exits: every tier and stage of it, its thresholds, and ways to spoil it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import kit
from kit.search import Candidate, ExitPolicy, ExitSearch
from mobile_export.evaluation import evaluate_bundle
from mobile_export.exporter import ExportResult, export
from mobile_export.runtime import Bundle, Segmenter, TiersegError
from mobile_export.thresholds import bundle_table, fit_thresholds
from mobile_export.verifier import verify
from tests.mobile_export import sabotage
from tests.mobile_export.blocks import Blocks
from tests.mobile_export.conftest import Made

TIERS = [f"{name}{exit_}" for name in ("light", "heavy") for exit_ in ("_exit1", "_exit2", "")]
STAGES = [f"{name}_stage{k}" for name in ("light", "heavy") for k in (1, 2, 3)]
VAL = Blocks("val", 12)


def faults(path: Path) -> dict[str, str]:
    return {check.name: check.detail for check in verify(path).checks if not check.passed}


def test_every_pair_of_configuration_and_exit_is_a_signature(made_exits: ExportResult) -> None:
    assert list(Bundle.open(made_exits.path).signatures) == [*TIERS, *STAGES]
    assert [entry["name"] for entry in made_exits.manifest["tiers"]] == TIERS
    assert made_exits.report.passed
    assert {"stages", "chained"} <= {check.name for check in made_exits.report.checks}


def test_the_metadata_tell_stages_policies_and_thresholds(made_exits: ExportResult) -> None:
    tiers = {entry["name"]: entry for entry in made_exits.manifest["tiers"]}
    assert tiers["heavy_exit1"]["stages"] == ["heavy_stage1"]
    assert tiers["heavy"]["stages"] == ["heavy_stage1", "heavy_stage2", "heavy_stage3"]
    assert tiers["heavy_exit1"]["thresholds"] == {"pixel": 0.5, "image": 0.9}
    assert tiers["light_exit2"]["thresholds"] == {"pixel": 0.3}
    assert tiers["heavy_exit2"]["policy"] == {"measure": "entropy", "edge_aware": True}
    assert tiers["heavy"]["exit"] is None
    macs = [tiers[name]["macs"] for name in TIERS[3:]]
    assert macs == sorted(macs)


@pytest.mark.parametrize("configuration", ["light", "heavy"])
def test_adaptive_leaves_where_the_one_shot_confidences_say(
    made_exits: ExportResult, configuration: str
) -> None:
    segmenter = Segmenter(made_exits.path, threads=1, warm_up="none")
    left = set()
    for index in range(len(VAL)):
        image = VAL.image(index)
        one_shot = [segmenter(image, tier) for tier in segmenter.exits(configuration)]
        for threshold in (0.0, 0.4, 0.6, 1.0):
            result = segmenter.adaptive(image, configuration, threshold=threshold)
            sure = [k for k, found in enumerate(one_shot[:-1]) if found.confidence >= threshold]
            expected = one_shot[min(sure, default=len(one_shot) - 1)]
            assert result.tier == expected.tier
            np.testing.assert_array_equal(result.mask, expected.mask)
            left.add(result.tier)
    assert len(left) > 1, "no threshold was between"


def test_logits_have_exits_but_no_stages(
    exits_network: kit.AdaptiveUNet, calibration_images: list[np.ndarray], tmp_path: Path
) -> None:
    tiers = [tier for tier in exits_network.tiers if tier.configuration == "light"]
    result = export(
        exits_network,
        tmp_path / "logits.tflite",
        calibration_images[:4],
        tiers=tiers,
        outputs="logits",
        min_agreement=0.0,
        threads=1,
    )
    assert list(Bundle.open(result.path).signatures) == TIERS[:3]
    assert [entry["stages"] for entry in result.manifest["tiers"]] == [[], [], []]


def test_a_tier_alone_needs_no_stages(
    exits_network: kit.AdaptiveUNet, calibration_images: list[np.ndarray], tmp_path: Path
) -> None:
    result = export(
        exits_network,
        tmp_path / "one.tflite",
        calibration_images[:4],
        tiers=["light_exit1"],
        min_agreement=0.0,
        threads=1,
    )
    assert list(Bundle.open(result.path).signatures) == ["light_exit1"]
    assert result.manifest["default_tier"] == "light_exit1"


# === Thresholds ===


def test_the_table_of_a_bundle_is_what_its_tiers_score(made_exits: ExportResult) -> None:
    table = bundle_table(made_exits.path, "heavy", VAL, dict.fromkeys(STAGES, 2.0))
    scores = evaluate_bundle(made_exits.path, VAL, TIERS[3:]).scores
    search = ExitSearch(table)
    assert [*(c.miou for c in search.budgeted()), search.final().miou] == pytest.approx(
        [score.miou for score in scores]
    )
    segmenter = Segmenter(made_exits.path, threads=1, warm_up="none")
    for index in range(len(VAL)):
        for place, tier in enumerate(TIERS[3:5]):
            confidence = segmenter(VAL.image(index), tier).confidence
            assert table.confidence[place, index, 0] == pytest.approx(confidence, abs=1e-6)
    leaving = search.score(Candidate("input-dependent", (1, 2), (ExitPolicy(),) * 2, (0.0, 0.0)))
    assert leaving.mean["latency_ms"] == pytest.approx(2)
    assert search.final().mean["latency_ms"] == pytest.approx(6)


def test_fitted_thresholds_keep_the_drop_and_reach_the_bundle(
    made_exits: ExportResult, tmp_path: Path
) -> None:
    path = Path(shutil.copy(made_exits.path, tmp_path / "fitted.tflite"))
    found = fit_thresholds(path, VAL, max_drop=3.0, rounds=2)
    assert set(found) == {"light", "heavy"}
    segmenter = Segmenter(path, threads=1, warm_up="none")
    tiers = {entry["name"]: entry for entry in (Bundle.open(path).metadata or {})["tiers"]}
    for configuration, fitted in found.items():
        assert fitted["chosen"]["drop"] <= 3.0
        assert (
            fitted["chosen"]["mean"]["latency_ms"] <= fitted["final"]["mean"]["latency_ms"] + 1e-9
        )
        counts = dict.fromkeys(segmenter.exits(configuration), 0)
        for index in range(len(VAL)):
            counts[segmenter.adaptive(VAL.image(index), configuration).tier] += 1
        shares = dict(zip(counts, fitted["chosen"]["shares"], strict=True))
        assert {name: count / len(VAL) for name, count in counts.items()} == pytest.approx(shares)
        for tier, threshold in fitted["thresholds"].items():
            assert tiers[tier]["thresholds"]["image"] == threshold
            assert tiers[tier]["thresholds"]["pixel"] in (0.3, 0.5)
    assert not faults(path)


def test_a_bundle_without_stages_has_nothing_to_fit(made: Made) -> None:
    with pytest.raises(TiersegError, match="must have stages to fit thresholds for"):
        fit_thresholds(made.path, VAL)
    with pytest.raises(TiersegError, match="`configuration` must be one with stages"):
        bundle_table(made.path, "heavy", VAL, {})


# === What is refused ===


def _tensor(content: schema.ModelT, signature: str, name: str, side: str) -> schema.TensorT:
    (entry,) = (item for item in content.signatureDefs if item.signatureKey == signature.encode())
    (index,) = (item.tensorIndex for item in getattr(entry, side) if item.name == name.encode())
    return content.subgraphs[entry.subgraphIndex].tensors[index]


def another_scale(content: schema.ModelT) -> None:
    tensor = _tensor(content, "heavy_stage2", "state_x", "inputs")
    table = schema.QuantizationParametersT()
    table.scale = (tensor.quantization.scale * 1.0001).astype(np.float32)
    table.zeroPoint = tensor.quantization.zeroPoint
    tensor.quantization = table


def another_kernel(content: schema.ModelT) -> None:
    """Changes the first kernel of one stage alone."""
    (entry,) = (item for item in content.signatureDefs if item.signatureKey == b"heavy_stage3")
    graph = content.subgraphs[entry.subgraphIndex]
    codes = [content.operatorCodes[op.opcodeIndex].builtinCode for op in graph.operators]
    operator = graph.operators[codes.index(schema.BuiltinOperator.CONV_2D)]
    tensor = graph.tensors[operator.inputs[1]]
    data = content.buffers[tensor.buffer].data[::-1].copy()
    content.buffers.append(schema.BufferT(data=data))
    tensor.buffer = len(content.buffers) - 1


def another_state(content: schema.ModelT) -> None:
    for entry in content.signatureDefs:
        if entry.signatureKey == b"heavy_stage2":
            for item in entry.inputs:
                if item.name == b"state_x":
                    item.name = b"state_y"


@pytest.mark.parametrize(
    ("change", "check", "detail"),
    [
        (another_scale, "stages", "state_x of heavy_stage1 has scale"),
        (another_state, "stages", "heavy_stage2"),
        (another_kernel, "chained", "heavy_stage3 and heavy differ"),
    ],
)
def test_stages_that_do_not_fit(
    made_exits: ExportResult,
    tmp_path: Path,
    change: Callable[[schema.ModelT], None],
    check: str,
    detail: str,
) -> None:
    model = sabotage.edited(Bundle.open(made_exits.path).model_bytes, change)
    found = faults(sabotage.bundle(tmp_path / "spoiled.tflite", model, made_exits.manifest))
    assert check in found
    assert detail in found[check]


def test_a_stage_that_is_missing(made_exits: ExportResult, tmp_path: Path) -> None:
    manifest = json.loads(json.dumps(made_exits.manifest))
    manifest["tiers"][0]["stages"] = ["light_stage9"]
    model = Bundle.open(made_exits.path).model_bytes
    found = faults(sabotage.bundle(tmp_path / "spoiled.tflite", model, manifest))
    assert "light_stage9 is missing" in found["signatures"]
