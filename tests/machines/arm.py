"""64-bit Arm under emulation: Debian's Python and the packages' aarch64 wheels, run by QEMU.

Nothing is installed but QEMU itself (`apt-get install qemu-user-static`): Debian's arm64 packages
are unpacked into a folder, where an emulated program finds its libraries before the machine's own.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "arm"
QEMU = "qemu-aarch64-static"

_COMMON = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"

CORES = {
    "cortex-a53": ("0x0", "0xd03", _COMMON),
    "cortex-a76": ("0x4", "0xd0b", f"{_COMMON} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"),
}
"""Core -> variant, part and features: without 8-bit dot products, as in a Raspberry Pi 3, and with
them, as in a Raspberry Pi 5 and most phones since 2018."""

_WHEELS = (
    "ai-edge-litert",
    "backports-strenum",
    "click",
    "flatbuffers",
    "ml-dtypes",
    "numpy",
    "pillow",
    "protobuf",
    "tqdm",
    "typing-extensions",
)
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux2014")
_DEBIAN = ("python3.11-minimal", "libpython3.11-stdlib", "libstdc++6")


class MissingError(RuntimeError):
    """What the emulated machine needs and this one has not."""


def run(core: str, script: Path, arguments: Sequence[str | Path], timeout: int) -> str:
    """Runs a Python script of this project on an emulated core.

    Args:
        core: one of `CORES`.
        script: the file, which needs the runtime alone.
        arguments: words behind it.
        timeout: seconds that it may take.

    Returns:
        What it wrote to standard error.

    Raises:
        MissingError: no QEMU, or nothing to fetch packages from.
        subprocess.CalledProcessError: it failed.
    """
    root, site = _machine(core)
    python = root / "usr" / "bin" / "python3.11"
    command = [QEMU, "-cpu", core, "-L", root, python, script, *arguments]
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(site)]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **paths},
        capture_output=True,
        text=True,
        check=True,
        timeout=timeout,
    )
    return done.stderr


def _machine(core: str) -> tuple[Path, Path]:
    """Folder of the emulated system, and that of its Python packages; made if they are missing."""
    for tool in (QEMU, "apt-get", "dpkg"):
        if not shutil.which(tool):
            raise MissingError(f"{tool} (on Debian: apt-get install qemu-user-static)")
    wheels = _pinned()
    stamp = FOLDER / hashlib.sha256("\n".join([*wheels, *_DEBIAN]).encode()).hexdigest()[:16]
    if not stamp.exists():  # written last: a folder without it is half made
        shutil.rmtree(FOLDER, ignore_errors=True)
        try:
            _unpack_packages(FOLDER / "root")
            _unpack_wheels(wheels, FOLDER / "site")
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout).strip()[-300:]
            raise MissingError(
                f"Debian's arm64 packages and a package index; got: {said}"
            ) from error
        stamp.touch()
    (FOLDER / "root" / "proc").mkdir(exist_ok=True)
    (FOLDER / "root" / "proc" / "cpuinfo").write_text(_cpuinfo(core), encoding="ascii")
    return FOLDER / "root", FOLDER / "site"


def _pinned() -> list[str]:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", lock, re.MULTILINE))
    return [f"{name}=={pins[name]}" for name in _WHEELS]


def _unpack_packages(root: Path) -> None:
    """Debian's arm64 packages into a folder, by an apt-get whose state is all below `FOLDER`."""
    state = FOLDER / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (state / part).mkdir(parents=True)
    (state / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures::": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::State::Lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Debug::NoLocking": "true",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    _run([*apt, "update"])
    _run([*apt, "install", "--yes", "--download-only", "--no-install-recommends", *_DEBIAN])
    root.mkdir()
    for package in sorted((state / "cache" / "archives").glob("*.deb")):
        _run(["dpkg", "--extract", str(package), str(root)])
    shutil.rmtree(state)


def _unpack_wheels(wheels: Sequence[str], site: Path) -> None:
    folder = FOLDER / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    target = ["--python-version=3.11", "--implementation=cp", "--only-binary=:all:", "--no-deps"]
    target += [f"--platform={platform}_aarch64" for platform in _PLATFORMS]
    target += [f"--abi={abi}" for abi in ("cp311", "abi3", "none")]
    _run([*pip, *target, f"--dest={folder}", *wheels])
    for wheel in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    shutil.rmtree(folder)


def _cpuinfo(core: str) -> str:
    """What `/proc/cpuinfo` says there: QEMU 7 hands on the host's, on which LiteRT crashes."""
    variant, part, features = CORES[core]
    lines = (
        "processor\t: 0",
        "BogoMIPS\t: 50.00",
        f"Features\t: {features}",
        "CPU implementer\t: 0x41",
        "CPU architecture: 8",
        f"CPU variant\t: {variant}",
        f"CPU part\t: {part}",
        "CPU revision\t: 1",
    )
    return "\n".join([*lines, "", ""])


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
