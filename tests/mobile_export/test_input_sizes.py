"""A network of three input sizes as one bundle: export, verification, runtime, scores, app."""

import json
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from click.testing import CliRunner

import kit
from kit.data import STREET_CLASSES, Dataset
from mobile_export import commands
from mobile_export.benchmark import benchmark
from mobile_export.calibration import convolutions
from mobile_export.complexity import fit_sizes
from mobile_export.evaluation import evaluate_bundle, evaluate_network
from mobile_export.exporter import ExportResult, export
from mobile_export.runtime import Bundle, Segmenter, TiersegError
from mobile_export.runtime.commands import segment
from mobile_export.runtime.complexity import SizeByComplexity
from mobile_export.verifier import verify

NATIVE, SMALL, MIDDLE = (96, 96), (32, 32), (64, 64)
SIZES = {"plain_32x32": SMALL, "plain_64x64": MIDDLE, "plain": NATIVE}
TIERS = ["plain_32x32_exit1", *SIZES]
"""Of the sizes, one with its early exit and stages."""
CLASSES = STREET_CLASSES[:3]


class Grains(Dataset):
    """Noise of grains from 48 pixels to one: each image has more detail than the one before."""

    def __init__(self, split: str = "test") -> None:
        super().__init__("grains", split, CLASSES)

    def __len__(self) -> int:
        return 10

    def stem(self, index: int) -> str:
        return f"{self.split}{index}"

    def image(self, index: int) -> np.ndarray:
        grain = (48, 48, 32, 24, 16, 12, 8, 6, 2, 1)[index]
        rng = np.random.default_rng((len(self.split), index))
        cells = rng.integers(0, 256, (96 // grain, 192 // grain, 3), dtype=np.uint8)
        return cells.repeat(grain, axis=0).repeat(grain, axis=1)

    def label(self, index: int) -> np.ndarray:
        return self.image(index)[..., 0] // 86


def images(split: str = "train") -> list[np.ndarray]:
    data = Grains(split)
    return [data.image(index) for index in range(len(data))]


@pytest.fixture(scope="module")
def network() -> kit.FCNVGG16:
    keras.utils.set_random_seed(1)
    network = kit.FCNVGG16(3, NATIVE, width=0.05, exits=[{"after": 3}], input_sizes=[MIDDLE, SMALL])
    rng = np.random.default_rng(3)
    for skip in network.head.skips:  # zeros have no range in integers
        skip.kernel.assign(rng.normal(0, 0.3, skip.kernel.shape))
    return network


@pytest.fixture(scope="module")
def made(network: kit.FCNVGG16, tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    path = tmp_path_factory.mktemp("sizes") / "grains.tflite"
    return export(network, path, images(), labels=CLASSES, tiers=TIERS, threads=1)


@pytest.fixture(scope="module")
def segmenter(made: ExportResult) -> Segmenter:
    return Segmenter(made.path, threads=1, warm_up="none")


def test_each_size_is_a_tier_of_its_own(made: ExportResult, segmenter: Segmenter) -> None:
    assert made.report.passed
    assert {"agreement", "stages", "chained", "interface"} <= {c.name for c in made.report.checks}
    assert list(segmenter.tiers) == TIERS
    assert segmenter.configurations == tuple(SIZES)
    assert segmenter.default_tier == "plain"
    for entry in made.manifest["tiers"]:
        info = segmenter.info(entry["name"])
        assert tuple(entry["input_size"]) == info.input_size == SIZES[info.configuration]
        assert (info.mask_size, info.sizeless, entry["configuration"]) == (NATIVE, "plain", "plain")
    assert segmenter.info("plain_32x32").stages == ("plain_32x32_stage1", "plain_32x32_stage2")
    macs = [entry["macs"] for entry in made.manifest["tiers"] if entry["exit"] is None]
    assert macs[1] == pytest.approx(4 * macs[0], rel=0.01)
    assert macs[2] == pytest.approx(9 * macs[0], rel=0.01)


def test_weights_scales_and_biases_are_in_the_file_once(made: ExportResult) -> None:
    content = schema.ModelT.InitFromPackedBuf(Bundle.open(made.path).model_bytes, 0)
    graphs = {entry.signatureKey.decode(): entry.subgraphIndex for entry in content.signatureDefs}
    held = []
    for name in SIZES:
        graph = graphs[name]
        tensors = content.subgraphs[graph].tensors
        taken = [
            tensors[index]
            for operator in convolutions(content, graph, transposed=True)
            for index in operator.inputs
        ]
        # Kernels and biases; a transposed convolution also takes the size of its output.
        constants = [t for t in taken if content.buffers[t.buffer].data is not None]
        scaled = [t for t in constants if t.quantization.scale is not None]
        held.append([(t.buffer, t.quantization.scale.tobytes()) for t in scaled])
    assert len(held[0]) > 30
    assert held[0] == held[1] == held[2]


def test_the_verifier_knows_a_size_that_is_not_that_of_the_metadata(
    made: ExportResult, tmp_path: Path
) -> None:
    from mobile_export.metadata import append

    changed = json.loads(json.dumps(made.manifest))
    changed["tiers"][0]["input_size"] = list(MIDDLE)
    changed["complexity"]["thresholds"].reverse()
    path = tmp_path / "changed.tflite"
    path.write_bytes(append(Bundle.open(made.path).model_bytes, changed))
    failures = verify(path).failures
    assert r"must be (64, 64) as metadata says, got (32, 32)" in failures
    assert "`complexity` must hold" in failures


@pytest.mark.parametrize("tier", TIERS)
def test_the_runtime_shrinks_any_image_to_the_size_of_the_tier(
    network: kit.FCNVGG16, segmenter: Segmenter, tier: str
) -> None:
    from mobile_export.prediction import predict

    expected = predict(network.predictor(tier), images())["mask"]
    found = [segmenter(image, tier, native=True).mask for image in images()]
    assert np.mean(np.stack(found) == expected) > 0.9
    assert segmenter(images()[0], tier).mask.shape == (96, 192)


def test_adaptive_runs_and_budgets_take_them_like_others(segmenter: Segmenter) -> None:
    image = images()[3]
    result = segmenter.adaptive(image, "plain_32x32", threshold=1.0)
    assert [step.tier for step in result.steps] == TIERS[:2]
    np.testing.assert_array_equal(result.mask, segmenter(image, "plain_32x32").mask)
    assert segmenter.anytime(image, 1e-6, "plain_32x32").tier == "plain_32x32_exit1"
    times = segmenter.measure(3)
    assert set(times) == set(TIERS)
    assert segmenter.fastest_within(2 * max(times.values())) == "plain"
    rows = benchmark([segmenter.bundle.name], rounds=1, tiers=["plain_32x32"]).rows
    assert [row.signature for row in rows] == ["plain_32x32"]


# === By complexity ===


def test_detail_asks_for_larger_inputs(
    network: kit.FCNVGG16, made: ExportResult, segmenter: Segmenter
) -> None:
    rule = fit_sizes(network, images())
    assert rule is not None
    assert made.manifest["complexity"] == rule.to_dict()
    assert SizeByComplexity.read(segmenter.bundle) == rule
    chosen = [segmenter.tier_by_complexity(image) for image in images("test")]
    assert list(dict.fromkeys(chosen)) == list(SIZES)
    assert chosen == sorted(chosen, key=list(SIZES).index)
    for image, tier in zip(images("test"), chosen, strict=True):
        result = segmenter.by_complexity(image)
        assert (result.tier, result.mask.shape) == (tier, (96, 192))
        np.testing.assert_array_equal(result.mask, segmenter(image, tier).mask)
        assert result.latency_ms < result.total_ms
        # Of its exit, the bundle has one size.
        early = segmenter.by_complexity(image, "plain_32x32_exit1", native=True)
        assert (early.tier, early.mask.shape) == ("plain_32x32_exit1", NATIVE)


def test_images_alike_tell_no_sizes_apart(network: kit.FCNVGG16) -> None:
    assert fit_sizes(network, images()[:1]) is None
    assert fit_sizes(network.with_input_sizes([]), images()) is None


@pytest.mark.parametrize("kind", ["bundle", "network"])
def test_scores_by_complexity_are_those_of_the_chosen_tiers(
    kind: str, network: kit.FCNVGG16, made: ExportResult, segmenter: Segmenter
) -> None:
    data, tiers = Grains(), ["plain_64x64", "plain"]
    rule = SizeByComplexity.read(segmenter.bundle)
    if kind == "bundle":
        found = evaluate_bundle(made.path, data, tiers, by_complexity=True, workers=1)
    else:
        found = evaluate_network(network, data, tiers, complexity=rule)
    assert [score.tier for score in found.scores] == tiers
    assert list(found.figures()) == tiers
    (score,) = found.by_complexity
    assert score.tier == "plain"
    names = [segmenter.tier_by_complexity(data.image(index)) for index in range(len(data))]
    assert score.pixels == pytest.approx(
        np.mean([np.prod(SIZES[name]) / np.prod(NATIVE) for name in names])
    )
    matrix = kit.metrics.ConfusionMatrix(3)
    for index, name in enumerate(names):
        matrix.update(data.label(index), segmenter(data.image(index), name).mask)
    assert score.miou == pytest.approx(matrix.mean_iou(), abs=0 if kind == "bundle" else 0.02)
    assert "plain by detail" in found.table()
    assert found.to_dict()["by_complexity"][0]["pixels"] == score.pixels
    with pytest.raises(TiersegError, match="must hold one of the native size"):
        evaluate_network(network, data, ["plain_64x64"], complexity=rule)


def invoke(command: object, arguments: Sequence[str]) -> str:
    done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_line_takes_sizes_by_complexity(
    made: ExportResult, network: kit.FCNVGG16, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    for place in (0, 9):
        Image.fromarray(images("test")[place]).save(tmp_path / f"{place}.png")
    pictures = [str(tmp_path / f"{place}.png") for place in (0, 9)]
    options = ["--by-complexity", "--out", str(tmp_path / "out"), "--json"]
    report = json.loads(invoke(segment, [str(made.path), *pictures, *options]))
    assert [row["tier"] for row in report["images"]] == ["plain_32x32", "plain"]
    with pytest.raises(TiersegError, match="exclude each other"):
        invoke(segment, [str(made.path), *pictures, "--adaptive", *options])

    monkeypatch.setattr(commands, "open_dataset", lambda name, split: Grains(split))
    monkeypatch.setattr(commands, "load_network", lambda path: network)
    found = [
        json.loads(
            invoke(
                commands.evaluate,
                [subject, "--data", "grains", "--tier", "plain", "--by-complexity", "--json"],
            )
        )
        for subject in (str(made.path), "network.keras")
    ]
    shares = [content["by_complexity"][0]["pixels"] for content in found]
    assert shares[0] == shares[1] < 1


def test_the_page_lists_every_size(made: ExportResult, monkeypatch: pytest.MonkeyPatch) -> None:
    from demo_app.choice import Choice
    from demo_app.figures import tier_table

    segmenter = Segmenter(made.path, threads=1, warm_up="none")
    for tier in segmenter.tiers:
        choice = Choice(segmenter.info(tier).configuration, tier)
        assert choice.run(segmenter, images()[0]).tier == tier
    assert [row["tier"] for row in tier_table(segmenter, segmenter.measured())] == TIERS
