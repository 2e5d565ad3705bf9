"""The library behind the interpreter: which one is taken, and what it says of bad models."""

import sys
import types
from typing import Any

import numpy as np
import pytest

from mobile_export.runtime import TiersegError
from mobile_export.runtime.interpreter import Interpreter
from tests.tiny_bundle import expected_mask, scene


def test_run_gives_outputs_by_name_and_a_time(tiny_model_bytes: bytes) -> None:
    outputs, latency_ms = Interpreter(tiny_model_bytes).run("light", {"image": scene()[None]})
    assert set(outputs) == {"mask", "confidence"}
    assert (outputs["mask"][0] == expected_mask()).mean() > 0.9
    assert latency_ms > 0


def test_stages_chain_by_their_state(tiny_model_bytes: bytes) -> None:
    interpreter = Interpreter(tiny_model_bytes)
    first, _ = interpreter.run("heavy_stage1", {"image": scene()[None]})
    states = {name: first[name] for name in ("state_1", "state_2")}
    second, _ = interpreter.run("heavy_stage2", states)
    assert set(second) == {"mask", "confidence", "state_3"}
    third, _ = interpreter.run("heavy_stage3", {"state_3": second["state_3"]})
    assert set(third) == {"mask", "confidence"}
    assert (third["mask"][0] == expected_mask()).mean() > 0.9


STATE_1, STATE_2 = np.zeros((1, 12, 16, 3), np.uint8), np.zeros((1, 48, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"state_1": STATE_1, "state_2": STATE_2[:, ::2]},
            r"input `state_2` must be uint8 \(1, 48, 64, 3\), got uint8 \(1, 24, 64, 3\)",
        ),
        (
            {"state_1": STATE_1.astype(np.int8), "state_2": STATE_2},
            r"input `state_1` must be uint8 \(1, 12, 16, 3\), got int8 \(1, 12, 16, 3\)",
        ),
        (
            {"state_1": STATE_1, "state_2": STATE_2.tolist()},
            r"input `state_2` must be an array uint8 \(1, 48, 64, 3\), got list",
        ),
        ({"state_1": STATE_1}, "inputs must be state_1, state_2; got state_1$"),
        (
            {"state_1": STATE_1, "state_2": STATE_2, "image": STATE_2},
            "inputs must be state_1, state_2; got image, state_1, state_2$",
        ),
        ({}, "inputs must be state_1, state_2; got none$"),
    ],
)
def test_inputs_that_are_not_the_signature_s_are_refused_by_name(
    tiny_model_bytes: bytes, inputs: Any, message: str
) -> None:
    interpreter = Interpreter(tiny_model_bytes, name="x.tflite")
    with pytest.raises(TiersegError, match=rf"^x\.tflite: signature 'heavy_stage2': {message}"):
        interpreter.run("heavy_stage2", inputs)
    outputs, _ = interpreter.run("heavy_stage2", {"state_1": STATE_1, "state_2": STATE_2})
    assert outputs["state_3"].shape == (1, 48, 64, 3)


def test_an_unknown_signature_is_refused_with_the_known(tiny_model_bytes: bytes) -> None:
    with pytest.raises(TiersegError, match=r"`signature` must be one of .*stage1.*got 'huge'"):
        Interpreter(tiny_model_bytes).run("huge", {})


def test_the_time_leaves_the_preparation_out(
    tiny_model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100))
    call = Interpreter._call

    def ticking(*given: Any) -> Any:
        next(clock)  # a second per call, preparation included
        return call(*given)

    monkeypatch.setattr(Interpreter, "_call", ticking)
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    _, latency_ms = Interpreter(tiny_model_bytes).run("light", {"image": scene()[None]})
    assert latency_ms == 2000  # its own tick and the clock's, not the preparation's


def test_tflite_runtime_is_the_fallback(
    tiny_model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ai_edge_litert.interpreter import Interpreter as Backend

    made: list[dict[str, Any]] = []

    class Old(Backend):  # type: ignore[misc, valid-type]
        def __init__(self, **arguments: Any) -> None:
            made.append(arguments)
            super().__init__(**arguments)

    module = types.ModuleType("tflite_runtime.interpreter")
    module.Interpreter = Old  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", types.ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    outputs, _ = Interpreter(tiny_model_bytes, threads=3).run("light", {"image": scene()[None]})
    assert outputs["mask"].shape == (1, 48, 64)
    assert [arguments["num_threads"] for arguments in made] == [3]


def test_no_library_at_all_is_one_clear_error(
    tiny_model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ai_edge_litert.interpreter", "tflite_runtime", "tflite_runtime.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(TiersegError, match=r"LiteRT is not installed; expected .* pip install ai"):
        Interpreter(tiny_model_bytes)


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(
        TiersegError, match=r"x\.tflite is corrupt; expected a whole .* LiteRT says"
    ):
        Interpreter(b"\x1c\0\0\0TFL3" + bytes(100), name="x.tflite")


@pytest.mark.parametrize(
    ("operator", "what"),
    [("LOG", r" \(what an exit that judges by entropy takes; .* from 2\.15\)"), ("CONV_2D", "")],
)
def test_a_model_that_is_too_new_for_the_runtime_is_not_called_corrupt(
    tiny_model_bytes: bytes, monkeypatch: pytest.MonkeyPatch, operator: str, what: str
) -> None:
    class Old:
        def __init__(self, **arguments: Any) -> None:
            raise ValueError(
                f"Didn't find op for builtin opcode '{operator}' version '2'. An older version\n"
            )

    Old.__module__ = "tflite_runtime.interpreter"
    monkeypatch.setattr("mobile_export.runtime.interpreter._backend", lambda: Old)
    message = rf"^x\.tflite needs a newer runtime; .* {operator} in version 2{what}, got tflite-run"
    with pytest.raises(TiersegError, match=message):
        Interpreter(tiny_model_bytes, name="x.tflite")


def test_a_model_that_fails_at_run_time_names_itself(
    tiny_model_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = Interpreter(tiny_model_bytes, name="x.tflite")

    def broken(**inputs: np.ndarray) -> None:
        raise RuntimeError("Regular TensorFlow ops\nare not supported")

    monkeypatch.setattr(interpreter._backend, "get_signature_runner", lambda key: broken)
    message = r"x\.tflite cannot run; expected signature 'light' .* ops are not supported"
    with pytest.raises(TiersegError, match=message):
        interpreter.run("light", {"image": scene()[None]})
