"""The Kotlin library runs the tiny bundle's signatures as the Python runtime does, to the byte.

LiteRT for Android does not run here; LiteRT for Python stands in for it behind `SignatureRunner`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobile_export.runtime import Segmenter
from tests.mobile_export.clients.android.kotlin_program import ask, described, encoded
from tests.tiny_bundle import EXITS, TIERS, clear_from, scene

pytestmark = pytest.mark.clients

_ADAPTIVE = [(tier, threshold) for tier in EXITS for threshold in (None, 0.5, 1)]


def _image(tier: str) -> np.ndarray:
    return scene(24, 32)[::-1] if tier == "light_24x32" else scene()[::-1]


@pytest.fixture(scope="module")
def answers(
    tiny_bundle: Path, contract_jar: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = [{"tier": tier, "image": encoded(_image(tier))} for tier in TIERS]
    runs += [
        {
            "configuration": "heavy",
            "threshold": threshold,
            "image": encoded(clear_from(tier)),
        }
        for tier, threshold in _ADAPTIVE
    ]
    runs += [{"budget_ms": 1e6, "image": encoded(scene())}, {"tier": "light", "image": "AAAA"}]
    question = {"path": str(tiny_bundle), "tensors": described(tiny_bundle), "runs": runs}
    folder = tmp_path_factory.mktemp("runs")
    return ask(contract_jar, folder, {"bundles": [question]}, tiny_bundle)["bundles"][0]["runs"]


@pytest.fixture(scope="module")
def segmenter(tiny_bundle: Path) -> Segmenter:
    return Segmenter(tiny_bundle, warm_up="none")


def test_each_tier_gives_the_same_mask(answers: Any, segmenter: Segmenter) -> None:
    for tier, answer in zip(TIERS, answers, strict=False):
        result = segmenter(_image(tier), tier, native=True)
        assert answer["mask"] == encoded(result.mask), tier
        assert answer["size"] == list(result.mask.shape)
        assert answer["confidence"] == result.confidence
        assert answer["tier"] == tier
        assert answer["latency_ms"] > 0
        assert answer["steps"] == []


def test_an_adaptive_run_leaves_where_python_does(answers: Any, segmenter: Segmenter) -> None:
    left = set()
    for (tier, threshold), answer in zip(_ADAPTIVE, answers[len(TIERS) :], strict=False):
        result = segmenter.adaptive(clear_from(tier), "heavy", threshold=threshold, native=True)
        assert answer["tier"] == result.tier
        assert answer["steps"] == [[step.tier, step.confidence] for step in result.steps]
        assert answer["mask"] == encoded(result.mask)
        left.add(result.tier)
    assert left == set(EXITS)


def test_the_budget_is_of_measured_times(answers: Any) -> None:
    assert answers[-2]["tier"] == "heavy"


def test_an_image_of_another_size_is_refused(answers: Any) -> None:
    assert answers[-1] == {
        "error": "`image` must be a direct buffer of 9216 bytes (48x64 pixels, RGB); "
        "got a direct one of 3"
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda tensors: tensors.pop("medium"),
            "tiny.tflite: the tier medium lists a signature that the model lacks; expected one of",
        ),
        (
            lambda tensors: tensors["light"]["inputs"].update(image=["uint8", [1, 8, 8, 3]]),
            "the signature light must take image uint8 (1, 48, 64, 3); "
            "got image uint8 (1, 8, 8, 3)",
        ),
        (
            lambda tensors: tensors["heavy_stage3"]["inputs"].update(state_3=["uint8", [1, 2]]),
            "the signature heavy_stage3 must take state_3 uint8 (1, 48, 64, 3); "
            "got state_3 uint8 (1, 2)",
        ),
        (
            lambda tensors: tensors["heavy"]["outputs"].update(mask=["int64", [1, 48, 64]]),
            "the signature heavy must give confidence uint8 (1), mask uint8 (1, 48, 64); "
            "got confidence uint8 (1), mask int64 (1, 48, 64)",
        ),
    ],
)
def test_signatures_that_do_not_fit_are_refused(
    change: Any, message: str, tiny_bundle: Path, contract_jar: Path, tmp_path: Path
) -> None:
    tensors = described(tiny_bundle)
    change(tensors)
    question = {"path": str(tiny_bundle), "tensors": tensors, "runs": [{"tier": "light"}]}
    answer = ask(contract_jar, tmp_path, {"bundles": [question]})["bundles"][0]["runs"]
    assert message in answer[0]["error"]
