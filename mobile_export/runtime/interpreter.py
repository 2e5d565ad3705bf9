"""LiteRT behind one lock: the only module that touches the runtime library."""

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.signature import Signature, Tensor

_MISSING_OPERATOR = re.compile(r"builtin opcode '(?P<name>\w+)' version '(?P<version>\d+)'")


class Interpreter:
    """Runs the signatures of one `.tflite` model by name, from any thread.

    ai-edge-litert does the work, or tflite-runtime where that is what the device has. One lock
    guards the library, held for one call of one signature at a time. A signature's first call
    pays a one-off preparation (tens of milliseconds); `prepare` pays it ahead.

    Args:
        model: bytes of the `.tflite`.
        threads: CPU threads that a call may use.
        name: what error messages call the model, e.g. its file name.

    Attributes:
        signatures: every signature of the model, by name.

    Raises:
        TiersegError: no runtime library is installed, it is too old for an operator of the model,
            or it refuses the model.
    """

    def __init__(self, model: bytes, *, threads: int = 1, name: str = "the model") -> None:
        self.name = name
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._runners: dict[str, Any] = {}
        backend = _backend()
        try:
            self._backend = backend(model_content=model, num_threads=threads)
        except (ValueError, RuntimeError) as error:
            if missing := _MISSING_OPERATOR.search(str(error)):
                raise TiersegError(
                    f"{name} needs a newer runtime; expected one with the operator "
                    f"{missing['name']} in version {missing['version']}{_where(missing)}, "
                    f"got {_installed(backend)}"
                ) from error
            raise TiersegError(
                f"{name} is corrupt; expected a whole `.tflite` model, but LiteRT says: {error}"
            ) from error
        self.signatures: dict[str, Signature] = {
            key: self._describe(key) for key in self._backend.get_signature_list()
        }

    def prepare(self, signature: str) -> None:
        """Pays a signature's one-off preparation, unless that was done.

        Args:
            signature: name of the signature.
        """
        with self._alone():
            self._runner(signature)

    def run(
        self, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], float]:
        """Calls a signature.

        Args:
            signature: name of the signature.
            inputs: one array per input, of the shape and type that `signatures` says.

        Returns:
            The outputs by name, as arrays of their own, and the time of the call in milliseconds:
            inference alone, no waiting for other threads and no preparation.

        Raises:
            TiersegError: no such signature, inputs that are not the signature's (a missing or extra
                one, another shape or type), or LiteRT cannot run it.
        """
        self._check(signature, inputs)
        with self._alone():
            runner = self._runner(signature)
            start = time.perf_counter()
            outputs = self._call(signature, runner, inputs)
            return outputs, 1000 * (time.perf_counter() - start)

    def _check(self, key: str, inputs: Mapping[str, np.ndarray]) -> None:
        """Refuses inputs that LiteRT would refuse in its own words, or resize the graph for."""
        if key not in self.signatures:
            raise TiersegError(
                f"`signature` must be one of {', '.join(self.signatures)} in {self.name}; "
                f"got {key!r}"
            )
        refusal = self.signatures[key].refusal(inputs)
        if refusal:
            raise TiersegError(f"{self.name}: signature {key!r}: {refusal}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """The library's lock; a thread that takes it again lets the one that waits go first."""
        with self._turn:
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def _describe(self, key: str) -> Signature:
        runner = self._backend.get_signature_runner(key)
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        return Signature(key, _tensors(inputs), _tensors(outputs))

    def _runner(self, key: str) -> Any:
        """The prepared runner of a signature; the lock must be held."""
        if key not in self._runners:
            runner = self._backend.get_signature_runner(key)
            inputs = self.signatures[key].inputs
            zeros = {name: np.zeros(tensor.shape, tensor.dtype) for name, tensor in inputs.items()}
            self._call(key, runner, zeros)
            self._runners[key] = runner
        return self._runners[key]

    def _call(
        self, key: str, runner: Any, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        try:
            return runner(**inputs)  # GetTensor copies: the arrays outlive the next call
        except RuntimeError as error:
            raise TiersegError(
                f"{self.name} cannot run; expected signature {key!r} to run on LiteRT, "
                f"but it says: {error}"
            ) from error


def _backend() -> Any:
    """The interpreter class of the library that is installed."""
    try:
        from ai_edge_litert.interpreter import Interpreter as Backend
    except ImportError:
        try:
            from tflite_runtime.interpreter import Interpreter as Backend
        except ImportError:
            raise TiersegError(
                "LiteRT is not installed; expected the package ai-edge-litert "
                "(or tflite-runtime on an old board), found neither: pip install ai-edge-litert"
            ) from None
    return Backend


def _where(missing: re.Match[str]) -> str:
    """What of a bundle needs an operator, and since when runtimes have it, where that is known."""
    if missing["name"] != "LOG":
        return ""
    return " (what an exit that judges by entropy takes; TensorFlow Lite has it from 2.15)"


def _installed(backend: type) -> str:
    """Name and version of the package that a backend is from."""
    package = backend.__module__.partition(".")[0].replace("_", "-")
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def _tensors(details: Mapping[str, Any]) -> dict[str, Tensor]:
    return {
        name: Tensor(tuple(int(size) for size in detail["shape"]), np.dtype(detail["dtype"]))
        for name, detail in details.items()
    }
