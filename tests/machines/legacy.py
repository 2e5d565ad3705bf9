"""A virtual environment with the base package on tflite-runtime, as an old board has it."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "legacy"


class MissingError(RuntimeError):
    """What the environment needs and this machine has not."""


def legacy_python() -> Path:
    """The Python of the environment, with the project as it is now; made if it is not there.

    Raises:
        MissingError: no Python 3.11, or nothing to fetch packages from.
    """
    needs = requirements()
    python = FOLDER / "bin" / "python"
    stamp = FOLDER / hashlib.sha256("\n".join(needs).encode()).hexdigest()[:16]
    if not stamp.exists():  # written last: an environment without it is half made
        base = _python_3_11()
        shutil.rmtree(FOLDER, ignore_errors=True)
        _run([base, "-m", "venv", str(FOLDER)])
        try:
            _pip(python, ["--only-binary=:all:", *needs])
        except subprocess.CalledProcessError as error:
            raise MissingError(
                f"a package index with {', '.join(needs)}; pip says: {error.stderr.strip()[-300:]}"
            ) from error
        stamp.touch()
    shutil.rmtree(FOLDER / "wheel", ignore_errors=True)
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(FOLDER / "wheel")])
    wheel = next((FOLDER / "wheel").glob("*.whl"))
    _pip(python, ["--no-deps", "--no-index", "--force-reinstall", str(wheel)])
    return python


def requirements() -> list[str]:
    """What an old board installs: the base package's needs as locked, LiteRT replaced."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    legacy = [item.partition(";")[0].strip() for item in project["optional-dependencies"]["legacy"]]
    replaced = {"ai-edge-litert", *(_name(item) for item in legacy)}
    base = [_name(item) for item in project["dependencies"]]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))
    return [*(f"{name}=={pins[name]}" for name in base if name not in replaced), *legacy]


def _name(requirement: str) -> str:
    return re.split(r"[<>=;\s]", requirement, maxsplit=1)[0]


def _python_3_11() -> str:
    """A Python 3.11 that runs; names on the path may stand for versions that are not there."""
    for name in (sys.executable, "python3.11"):
        try:
            said = subprocess.run([name, "-V"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        if said.startswith("Python 3.11."):
            return name
    raise MissingError("Python 3.11, with which tflite-runtime ends")


def _pip(python: Path, arguments: list[str]) -> None:
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    _run([*pip, *arguments])


def _run(command: list[str]) -> None:
    without = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(command, cwd=ROOT, env=without, capture_output=True, text=True, check=True)
