"""Compiles Kotlin with the compiler that `mobile_export/clients/android/package.json` pins."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

ANDROID = Path(__file__).parents[4] / "mobile_export" / "clients" / "android"
_COMPILER = ANDROID / "node_modules" / "kotlin-compiler"
_PRELOADER = "org.jetbrains.kotlin.preloading.Preloader"
_MAIN = "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler"


def java(*arguments: str | Path) -> list[str]:
    """The command that runs Java with these arguments."""
    found = shutil.which("java")
    assert found, "expected `java` (a JDK, 17 or later) on the path, got none"
    return [found, "-XX:TieredStopAtLevel=1", "-Xmx1g", *map(str, arguments)]


def classpath(*jars: Path) -> str:
    """A class path of some jars and Kotlin's standard library."""
    return ":".join(str(jar) for jar in (*jars, _COMPILER / "lib" / "kotlin-stdlib.jar"))


def compile_kotlin(out: Path, sources: Iterable[Path], *jars: Path) -> Path:
    """Compiles Kotlin against the API of Java 8, as the library's build files do.

    A warning fails it. Java sources among `sources` are read, not compiled.

    Args:
        out: the jar to write.
        sources: files and folders.
        jars: what the sources use.

    Returns:
        `out`.
    """
    assert _COMPILER.is_dir(), f"expected the Kotlin compiler in {_COMPILER}; got none: npm ci"
    lib = _COMPILER / "lib"
    command = java("-cp", lib / "kotlin-preloader.jar", _PRELOADER)
    command += ["-cp", str(lib / "kotlin-compiler.jar"), _MAIN]
    command += ["-kotlin-home", str(_COMPILER), "-Werror", "-no-reflect"]
    command += ["-jvm-target", "1.8", "-Xjdk-release=8"]
    command += [] if not jars else ["-cp", ":".join(str(jar) for jar in jars)]
    command += ["-d", str(out), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return out
