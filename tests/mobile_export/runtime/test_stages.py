"""Chained exits: the same masks as in one shot, and the right place to leave."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mobile_export.runtime import Bundle, Segmenter, TiersegError
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.runtime.signature import Signature, Tensor
from mobile_export.runtime.stages import by_depth, read_chains
from mobile_export.runtime.tier_info import TierInfo
from tests.tiny_bundle import (
    EXITS,
    HEIGHT,
    STAGES,
    THRESHOLDS,
    WIDTH,
    clear_from,
    packed,
    plain_metadata,
    scene,
    tiny_metadata,
)


@pytest.fixture
def segmenter(tiny_bundle: Path) -> Segmenter:
    return Segmenter(tiny_bundle, threads=1, warm_up="none")


@pytest.fixture
def changed(tiny_model_bytes: bytes) -> Callable[..., Segmenter]:
    """A segmenter of the tiny bundle whose exits say something else of themselves."""

    def make(**changes: dict[str, Any]) -> Segmenter:
        metadata = tiny_metadata(tiny_model_bytes)
        for entry in metadata["tiers"]:
            entry.update(changes.get(entry["name"], {}))
        bundle = Bundle.from_bytes(packed(tiny_model_bytes, metadata), "changed.tflite")
        return Segmenter(bundle, threads=1, warm_up="none")

    return make


@pytest.fixture
def images() -> list[np.ndarray]:
    """Pictures for each exit, and noise that none is sure of."""
    noise = np.random.default_rng(0).integers(0, 256, (8, HEIGHT, WIDTH, 3)).astype(np.uint8)
    return [*(clear_from(tier) for tier in EXITS), *noise]


def test_chained_exits_give_what_one_shot_tiers_give(
    segmenter: Segmenter, images: list[np.ndarray]
) -> None:
    for image in images:
        wanted = [segmenter(image, tier) for tier in EXITS]
        steps = segmenter.anytime(image, float("inf")).steps
        assert [step.tier for step in steps] == list(EXITS)
        assert [step.confidence for step in steps] == [result.confidence for result in wanted]
        for depth, result in enumerate(wanted):
            chain = segmenter._chains["heavy"]
            mask, _ = chain.run(image, lambda place, confidence, depth=depth: place < depth)
            assert_array_equal(mask, result.mask)


@pytest.mark.parametrize("tier", EXITS)
def test_adaptive_leaves_at_the_first_exit_that_is_sure(segmenter: Segmenter, tier: str) -> None:
    image = clear_from(tier)
    result = segmenter.adaptive(image)
    passed = EXITS[: EXITS.index(tier) + 1]
    assert result.tier == tier
    assert [step.tier for step in result.steps] == list(passed)
    for step in result.steps[:-1]:
        assert step.confidence < THRESHOLDS[step.tier]
    assert result.confidence == result.steps[-1].confidence >= THRESHOLDS.get(tier, 0)
    assert_array_equal(result.mask, segmenter(image, tier).mask)
    assert segmenter.latencies().keys() == {tier}  # of the one-shot call


def test_each_exit_has_a_threshold_of_its_own(
    changed: Callable[..., Segmenter], images: list[np.ndarray]
) -> None:
    noise = images[-1]
    first, second, last = (changed()(noise, tier).confidence for tier in EXITS)
    assert 0 < first < second < last < 1
    for exit1, exit2, tier in ((first, 1, EXITS[0]), (1, second, EXITS[1]), (1, 1, EXITS[2])):
        fitted = {"heavy_exit1": exit1, "heavy_exit2": exit2}
        segmenter = changed(
            **{name: {"thresholds": {"image": image}} for name, image in fitted.items()}
        )
        assert segmenter.adaptive(noise).tier == tier


@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.3, 0.8, 1.0])
def test_one_threshold_goes_for_all_exits(
    segmenter: Segmenter, images: list[np.ndarray], threshold: float
) -> None:
    for image in images:
        confidences = [segmenter(image, tier).confidence for tier in EXITS]
        sure = [confidence >= threshold for confidence in confidences[:-1]]
        place = sure.index(True) if any(sure) else len(EXITS) - 1
        assert segmenter.adaptive(image, "heavy", threshold=threshold).tier == EXITS[place]


@pytest.mark.parametrize("run", [Segmenter.adaptive, lambda s, i, **o: s.anytime(i, 1e6, **o)])
def test_a_chained_mask_has_the_size_of_the_image(
    segmenter: Segmenter, run: Callable[..., Any]
) -> None:
    assert run(segmenter, scene(97, 131)).mask.shape == (97, 131)
    assert run(segmenter, scene(97, 131), native=True).mask.shape == (HEIGHT, WIDTH)


def test_the_times_of_the_steps_add_up(segmenter: Segmenter) -> None:
    result = segmenter.adaptive(clear_from("heavy"))
    assert len(result.steps) == 3
    assert min(step.latency_ms for step in result.steps) > 0
    assert result.latency_ms == pytest.approx(sum(step.latency_ms for step in result.steps))
    assert result.latency_ms <= result.total_ms
    assert segmenter(scene()).steps == ()


def _timed(monkeypatch: pytest.MonkeyPatch, times: dict[str, float]) -> list[str]:
    """Makes each stage take a known time, in milliseconds, on a clock that runs by it alone."""
    run, clock, runs = Interpreter.run, [0.0], []

    def timed(self: Interpreter, signature: str, inputs: Any) -> Any:
        runs.append(signature)
        clock[0] += times[signature] / 1000
        return run(self, signature, inputs)[0], times[signature]

    monkeypatch.setattr(Interpreter, "run", timed)
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    return runs


SLOW = dict(zip(STAGES, (10.0, 20.0, 40.0), strict=True))


@pytest.mark.parametrize(
    ("deadline_ms", "tier"),
    [(1, EXITS[0]), (29, EXITS[0]), (31, EXITS[1]), (69, EXITS[1]), (71, EXITS[2])],
)
def test_anytime_runs_what_the_deadline_allows(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, deadline_ms: float, tier: str
) -> None:
    runs = _timed(monkeypatch, SLOW)
    result = segmenter.anytime(scene(), deadline_ms)
    depth = EXITS.index(tier) + 1
    assert result.tier == tier
    assert runs == [*STAGES, *STAGES[:depth]]  # all once, to know their times
    assert [step.latency_ms for step in result.steps] == [10, 20, 40][:depth]
    assert segmenter.anytime(scene(), deadline_ms).tier == tier
    assert len(runs) == len(STAGES) + 2 * depth


def test_anytime_trusts_the_running_median(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = dict(SLOW)
    runs = _timed(monkeypatch, times)
    segmenter.adaptive(clear_from("heavy"))
    for times["heavy_stage2"] in (20, 60, 60):
        segmenter.adaptive(clear_from("heavy_exit2"))
    del runs[:]
    assert segmenter.anytime(scene(), 49).tier == "heavy_exit1"  # median of 20, 20, 60, 60 is 40
    assert segmenter.anytime(scene(), 51).tier == "heavy_exit2"
    assert runs == ["heavy_stage1", "heavy_stage1", "heavy_stage2"]


def test_a_slow_first_stage_leaves_no_time_for_the_second(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = dict(SLOW)
    _timed(monkeypatch, times)
    assert segmenter.anytime(scene(), 50).tier == "heavy_exit2"
    times["heavy_stage1"] = 35.0
    assert segmenter.anytime(scene(), 50).tier == "heavy_exit1"


def test_exits_may_lead_over_several_stages(changed: Callable[..., Segmenter]) -> None:
    segmenter = changed(heavy_exit1={"stages": []}, heavy_exit2={"thresholds": {"image": 0.5}})
    assert segmenter.exits("heavy") == EXITS
    steps = segmenter.adaptive(clear_from("heavy")).steps
    assert [step.tier for step in steps] == ["heavy_exit2", "heavy"]
    assert segmenter.adaptive(scene(), threshold=0).tier == "heavy_exit2"


def test_without_metadata_the_names_tell_exits_and_stages(tiny_model_bytes: bytes) -> None:
    segmenter = Segmenter(Bundle.from_bytes(tiny_model_bytes), warm_up="none")
    assert set(segmenter.configurations) == {"light", "light_24x32", "medium", "heavy"}
    assert segmenter.exits("heavy") == EXITS
    assert segmenter.exits("light") == ("light",)
    assert segmenter.adaptive(clear_from("heavy_exit2"), "heavy", threshold=0.5).tier == EXITS[1]
    with pytest.raises(TiersegError, match=r"`threshold` must be given .* for heavy_exit1; got"):
        segmenter.adaptive(scene(), "heavy")


def test_configurations_and_exits_come_in_order(segmenter: Segmenter) -> None:
    assert segmenter.configurations == ("light", "light_24x32", "medium", "heavy")
    assert segmenter.exits("heavy") == EXITS
    assert segmenter.exits("medium") == ("medium",)
    names = r"light, light_24x32, medium, heavy in .*tiny\.tflite; got 'small'"
    with pytest.raises(TiersegError, match=f"`configuration` must be one of {names}"):
        segmenter.exits("small")


def test_tiers_sort_by_depth() -> None:
    depths = (None, 10, 2, 1)
    tiers = [TierInfo(str(k), "", (1, 1), (1, 1), "a", k) for k in depths]
    assert [tier.exit for tier in by_depth(tiers)] == [1, 2, 10, None]


def test_a_bundle_without_stages_says_so(tiny_model_bytes: bytes) -> None:
    content = packed(tiny_model_bytes, plain_metadata(tiny_model_bytes))
    segmenter = Segmenter(Bundle.from_bytes(content, "plain.tflite"), warm_up="none")
    message = r"`configuration` must be one with stages \(none in this bundle.*got 'heavy'"
    with pytest.raises(TiersegError, match=message):
        segmenter.adaptive(scene())
    with pytest.raises(TiersegError, match=message):
        segmenter.anytime(scene(), 100)


@pytest.mark.parametrize("configuration", ["light", "huge", ""])
def test_a_configuration_without_stages_names_those_that_have_them(
    segmenter: Segmenter, configuration: str
) -> None:
    message = rf"`configuration` must be one with stages \(heavy\) .*got '{configuration}'"
    with pytest.raises(TiersegError, match=message):
        segmenter.adaptive(scene(), configuration)
    with pytest.raises(TiersegError, match=message):
        segmenter.anytime(scene(), 100, configuration)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_share(segmenter: Segmenter, threshold: float) -> None:
    with pytest.raises(TiersegError, match=f"`threshold` must be a share .*0-1, got {threshold}"):
        segmenter.adaptive(scene(), threshold=threshold)


@pytest.mark.parametrize("deadline_ms", [0, -1.5, float("nan")])
def test_a_deadline_is_above_0(segmenter: Segmenter, deadline_ms: float) -> None:
    with pytest.raises(TiersegError, match=f"`deadline_ms` must be above 0, got {deadline_ms}"):
        segmenter.anytime(scene(), deadline_ms)


def test_what_is_no_image_is_refused_by_chains_too(segmenter: Segmenter) -> None:
    with pytest.raises(TiersegError, match="`image` must be a uint8 array"):
        segmenter.adaptive(np.zeros((4, 4), np.uint8))


@pytest.mark.parametrize(
    ("tier", "stages", "message"),
    [
        (
            "heavy_exit2",
            ["heavy_stage1", "heavy_stage9"],
            "the tier heavy_exit2 lists a stage that the model lacks; .*got 'heavy_stage9'",
        ),
        (
            "heavy_exit1",
            ["heavy_stage2"],
            "the tier heavy_exit1 and the stage heavy_stage2 do not fit each other; "
            r"expected heavy_stage2 to take image uint8 \(1, 48, 64, 3\), got state_1 uint8",
        ),
        (
            "heavy",
            ["heavy_stage1", "heavy_stage3"],
            "the stage heavy_stage1 and the stage heavy_stage3 do not fit each other; expected "
            r"heavy_stage3 to take state_1 uint8 \(1, 12, 16, 3\), state_2 .*, got state_3 uint8",
        ),
        (
            "heavy",
            ["heavy_stage1", "heavy_stage2", "heavy_stage3", "heavy_stage3"],
            "heavy_stage3 and the stage heavy_stage3 .* to take nothing, got state_3",
        ),
        (
            "heavy",
            ["heavy_stage1", "heavy_stage2"],
            r"the stages of heavy must be those of heavy_exit2 \(heavy_stage1, heavy_stage2\) "
            "and more; got heavy_stage1, heavy_stage2",
        ),
    ],
)
def test_stages_that_do_not_fit_are_refused_at_load(
    changed: Callable[..., Segmenter], tier: str, stages: list[str], message: str
) -> None:
    with pytest.raises(TiersegError, match=f"^changed.tflite: .*{message}"):
        changed(**{tier: {"stages": stages}})


def _tensor(*shape: int, dtype: type = np.uint8) -> Tensor:
    return Tensor(shape, np.dtype(dtype))


IMAGE, STATE = _tensor(1, 8, 6, 3), _tensor(1, 2, 3, 4)
MASK = {"mask": _tensor(1, 8, 6), "confidence": _tensor(1)}


class _Signatures:
    """An interpreter that can be asked for its signatures alone."""

    def __init__(self, taken: dict[str, Tensor], given: dict[str, Tensor]) -> None:
        self.signatures = {
            "a_stage1": Signature("a_stage1", {"image": IMAGE}, {**MASK, "state_1": STATE}),
            "a_stage2": Signature("a_stage2", taken, given),
        }


@pytest.mark.parametrize(
    ("taken", "given", "message"),
    [
        ({"state_1": STATE}, MASK, ""),
        ({"state_2": STATE}, MASK, r"a_stage1 and .*a_stage2.*take state_1 .*got state_2 uint8"),
        ({"state_1": _tensor(1, 2, 3, 5)}, MASK, r"a_stage1 and .*a_stage2.*got .*\(1, 2, 3, 5\)"),
        ({"state_1": _tensor(1, 2, 3, 4, dtype=np.int8)}, MASK, r"a_stage2.*got state_1 int8"),
        ({"state_1": STATE, "state_2": STATE}, MASK, r"a_stage2.*got state_1 .*, state_2 uint8"),
        ({}, MASK, "a_stage2 to take state_1 .*, got nothing"),
        ({"state_1": STATE}, {**MASK, "mask": _tensor(1, 8, 6, 11)}, "'a_stage2': output `mask`"),
        ({"state_1": STATE}, {"mask": MASK["mask"]}, "'a_stage2': output `confidence` is missing"),
        (
            {"state_1": STATE},
            {**MASK, "mask": _tensor(1, 4, 3)},
            r"a_stage2 and the tier a do not fit .* \(8, 6\) pixels, got uint8 \(1, 4, 3\)",
        ),
    ],
)
def test_a_stage_takes_exactly_what_the_one_before_gives(
    taken: dict[str, Tensor], given: dict[str, Tensor], message: str
) -> None:
    tier = TierInfo("a", "a", (8, 6), (8, 6), "a", stages=("a_stage1", "a_stage2"))
    interpreter: Any = _Signatures(taken, given)
    if not message:
        assert list(read_chains("x.tflite", interpreter, [tier])) == ["a"]
        return
    with pytest.raises(TiersegError, match=f"^x.tflite: .*{message}"):
        read_chains("x.tflite", interpreter, [tier])


def test_adaptive_serves_threads(segmenter: Segmenter, images: list[np.ndarray]) -> None:
    expected = [segmenter.adaptive(image) for image in images]
    wrong: list[int] = []

    def work(seed: int) -> None:
        for place in np.random.default_rng(seed).integers(0, len(images), 60):
            result = segmenter.adaptive(images[place])
            same = result.tier == expected[place].tier
            if not same or not np.array_equal(result.mask, expected[place].mask):
                wrong.append(int(place))

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


def test_the_steps_are_plain_values(segmenter: Segmenter) -> None:
    steps = segmenter.adaptive(scene()).steps
    assert json.loads(json.dumps([vars(step) for step in steps]))[0]["tier"] == "heavy_exit1"
