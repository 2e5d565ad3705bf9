"""Asks the Kotlin test program (`contract/src/test`) and runs the models that it calls."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from mobile_export.runtime import Bundle
from mobile_export.runtime.interpreter import Interpreter
from tests.mobile_export.clients.android.kotlin_compiler import classpath, java

_MAIN = "io.tierseg.contract.ReportKt"


def ask(jar: Path, folder: Path, questions: dict[str, Any], model: Path | None = None) -> Any:
    """The program's answers.

    Args:
        jar: the compiled contract part with its test program.
        folder: for the files of questions and answers.
        questions: as `Report.kt` reads them.
        model: bundle whose signatures the program may call; this process runs them.
    """
    asked, answered = folder / "questions.json", folder / "answers.json"
    asked.write_text(json.dumps(questions))
    command = java("-cp", classpath(jar), _MAIN, asked, answered)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin
        assert process.stdout
        interpreter = model and Interpreter(Bundle.open(model).model_bytes)
        for line in process.stdout:
            assert interpreter, line
            process.stdin.write(json.dumps(_called(interpreter, json.loads(line))) + "\n")
            process.stdin.flush()
    assert process.returncode == 0
    return json.loads(answered.read_text())


def described(model: Path) -> dict[str, Any]:
    """The signatures of a model, as `PipedRunner` reads them."""
    return {
        key: {
            side: {name: [str(item.dtype), list(item.shape)] for name, item in tensors.items()}
            for side, tensors in (("inputs", signature.inputs), ("outputs", signature.outputs))
        }
        for key, signature in Bundle.open(model).signatures.items()
    }


def encoded(array: np.ndarray) -> str:
    """The bytes of an array, as the program reads and writes them."""
    return base64.b64encode(array.tobytes()).decode()


def _called(interpreter: Interpreter, call: dict[str, Any]) -> dict[str, Any]:
    tensors = interpreter.signatures[call["signature"]].inputs
    inputs = {
        name: np.frombuffer(base64.b64decode(text), np.uint8).reshape(tensors[name].shape)
        for name, text in call["inputs"].items()
    }
    outputs, latency_ms = interpreter.run(call["signature"], inputs)
    sent = {name: encoded(value) for name, value in outputs.items()}
    return {"outputs": sent, "latency_ms": latency_ms}
