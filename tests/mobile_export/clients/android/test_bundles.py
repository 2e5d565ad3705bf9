"""What the Kotlin library makes of bundles is what the Python runtime makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_export.runtime import Bundle, Segmenter
from mobile_export.runtime.budget import best_within
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.labels import Label, palette
from mobile_export.runtime.tier_info import TierInfo, read_tiers
from tests.mobile_export.clients.android.kotlin_program import ask

pytestmark = pytest.mark.clients

BUNDLES = sorted((Path(__file__).parents[4] / "assets" / "models").glob("*.tflite"))
_BUDGETS = (0.5, 2, 6, 9.41, 10, 13, 20, 33.3, 1000)
_THRESHOLDS = (None, 0, 0.9, 0.95, 1, 1.5)


class _Scripted:
    """An interpreter whose stages are as sure as told, and compute nothing."""

    def __init__(self, segmenter: Segmenter, confidences: list[int]) -> None:
        self.signatures = segmenter._interpreter.signatures
        self._confidences = iter(confidences)

    def run(self, stage: str, states: object) -> tuple[dict[str, np.ndarray], float]:
        outputs = {key: np.zeros((1, 1, 1), np.uint8) for key in self.signatures[stage].outputs}
        return outputs | {"confidence": np.array([next(self._confidences)], np.uint8)}, 1.0


@pytest.fixture(scope="module")
def bundles(tiny_bundle: Path) -> dict[str, Path]:
    return {"tiny": tiny_bundle} | {path.stem: path for path in BUNDLES}


@pytest.fixture(scope="module")
def questions(bundles: dict[str, Path]) -> dict[str, dict[str, Any]]:
    return {name: _question(path) for name, path in bundles.items()}


@pytest.fixture(scope="module")
def answers(
    questions: dict[str, dict[str, Any]],
    contract_jar: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    found = ask(
        contract_jar, tmp_path_factory.mktemp("report"), {"bundles": list(questions.values())}
    )
    return dict(zip(questions, found["bundles"], strict=True))


def _question(path: Path) -> dict[str, Any]:
    infos = _infos(path)
    slower = {name: 3.7 * place + 2 for place, name in enumerate(infos)}
    reverse = {name: 20.0 - place for place, name in enumerate(infos)}
    random = np.random.default_rng(0)
    return {
        "path": str(path),
        "budgets": [
            {"budget_ms": budget, "latencies": latencies}
            for latencies in (slower, reverse, None)
            for budget in _BUDGETS
        ],
        "adaptive": [
            {
                "configuration": configuration,
                "threshold": threshold,
                "confidences": random.integers(230, 256, 8).tolist(),
            }
            for configuration in dict.fromkeys(info.configuration for info in infos.values())
            for threshold in _THRESHOLDS
            for _ in range(4)
        ],
    }


def _infos(path: Path) -> dict[str, TierInfo]:
    bundle = Bundle.open(path)
    return {info.name: info for info in read_tiers(bundle, bundle.signatures)}


@pytest.mark.parametrize("name", ["tiny", *(path.stem for path in BUNDLES)])
class TestBundles:
    def test_what_it_is(self, name: str, bundles: Any, answers: Any) -> None:
        bundle, answer = Bundle.open(bundles[name]), answers[name]
        assert bundle.metadata
        assert answer["sha256"] == bundle.metadata["sha256"]
        assert answer["model_bytes"] == len(bundle.model_bytes)
        assert answer["default_tier"] == bundle.metadata["default_tier"]

    def test_labels_and_colours(self, name: str, bundles: Any, answers: Any) -> None:
        labels = Bundle.open(bundles[name]).labels
        assert answers[name]["labels"] == [[item.id, item.name, *item.color] for item in labels]
        colors = palette(labels).astype(int) @ [1 << 16, 1 << 8, 1]
        assert answers[name]["palette"] == colors.tolist()

    def test_tiers(self, name: str, bundles: Any, answers: Any) -> None:
        infos = _infos(bundles[name])
        expected = [
            {
                "name": info.name,
                "signature": info.signature,
                "stages": list(info.stages),
                "configuration": info.configuration,
                "exit": info.exit,
                "input_size": list(info.input_size),
                "mask_size": list(info.mask_size),
                "image_threshold": info.image_threshold,
                **{
                    figure: info.figure(figure)
                    for figure in ("miou", "dice", "latency_ms", "parameters", "macs")
                },
            }
            for info in infos.values()
        ]
        assert answers[name]["tiers"] == expected

    def test_chains(self, name: str, bundles: Any, answers: Any) -> None:
        segmenter = Segmenter(bundles[name], warm_up="none")
        chains = {key: list(chain.tiers) for key, chain in segmenter._chains.items()}
        assert answers[name]["chains"] == chains

    def test_budgets(self, name: str, bundles: Any, questions: Any, answers: Any) -> None:
        infos = _infos(bundles[name])
        own = {tier: info.figure("latency_ms") for tier, info in infos.items()}
        for asked, answer in zip(questions[name]["budgets"], answers[name]["budgets"], strict=True):
            latencies = asked["latencies"] or own
            if None in latencies.values():
                assert "`latenciesMs` must be measured on this device" in answer["error"]
                continue
            try:
                expected = best_within(asked["budget_ms"], infos, latencies)
            except TiersegError as error:
                message = str(error).replace("budget_ms", "budgetMs").removesuffix(".0")
                assert answer["error"].removesuffix(".0") == message
            else:
                assert answer == {"tier": expected}, asked

    def test_adaptive_exits(self, name: str, bundles: Any, questions: Any, answers: Any) -> None:
        segmenter = Segmenter(bundles[name], warm_up="none")
        image = np.zeros((8, 8, 3), np.uint8)
        for asked, answer in zip(
            questions[name]["adaptive"], answers[name]["adaptive"], strict=True
        ):
            configuration = asked["configuration"]
            if configuration in segmenter._chains:
                chain = segmenter._chains[configuration]
                chain._interpreter = _Scripted(segmenter, asked["confidences"])
            try:
                expected = segmenter.adaptive(
                    image, configuration, threshold=asked["threshold"], native=True
                ).tier
            except TiersegError:
                expected = None
            assert answer.get("tier") == expected, asked
            assert ("error" in answer) == (expected is None), asked

    def test_unknown_names(self, name: str, answers: Any) -> None:
        tier, chain = (answer["error"] for answer in answers[name]["unknown"])
        for info in answers[name]["tiers"]:
            assert info["name"] in tier
        assert tier.startswith("`tier` must be one of ")
        assert tier.endswith("; got 'no_such'")
        assert chain.startswith("`configuration` must be one with stages (")
        assert chain.endswith("; got 'no_such'")


def test_exits_are_of_both_kinds(questions: Any, answers: Any) -> None:
    """The questions above tell something only if their answers differ."""
    adaptive = {tuple(answer.items()) for answer in answers["camvid_exits"]["adaptive"]}
    budgets = {tuple(answer.items()) for answer in answers["camvid_exits"]["budgets"]}
    assert len(adaptive) > 12
    assert len(budgets) > 5


def test_pixels_are_packed_and_painted(contract_jar: Path, tmp_path: Path) -> None:
    colors = [0xFF0A0B0C, 0x00FF8007, 0x80000000]
    packed = ask(contract_jar, tmp_path, {"colors": colors})["packed"]
    channels = [color >> shift & 0xFF for color in colors for shift in (16, 8, 0)]
    assert packed["bytes"] == channels
    table = palette([Label(7, "seven", (1, 2, 3))]).astype(int)
    painted = [0x80 << 24 | int(table[value] @ [1 << 16, 1 << 8, 1]) for value in channels]
    assert packed["painted"] == [color - (1 << 32) for color in painted]
