"""What the tests of the clients share."""

from pathlib import Path

import pytest

from mobile_export.kotlin_contract import write_kotlin
from tests.mobile_export.clients.android.kotlin_compiler import ANDROID, compile_kotlin

EXITS_BUNDLE = Path(__file__).parents[4] / "assets" / "models" / "camvid_exits.tflite"


@pytest.fixture(scope="session")
def contract_jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contract part of the Android library and its test program, compiled."""
    out = tmp_path_factory.mktemp("kotlin") / "contract.jar"
    return compile_kotlin(out, [ANDROID / "contract" / "src"])


@pytest.fixture(scope="session")
def library_jar(
    contract_jar: Path, tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """All the rest in one run of the compiler: the Android part and the sample app against the
    stubs, the written contracts of two bundles, and a program that prints those.
    """
    folder = tmp_path_factory.mktemp("library")
    written = [
        write_kotlin(tiny_bundle, folder / "Tiny.kt"),
        write_kotlin(EXITS_BUNDLE, folder / "CamvidExits.kt", package="com.example"),
    ]
    sources = [ANDROID / module / "src" / "main" / "kotlin" for module in ("tierseg", "sample")]
    sources += [ANDROID / "stubs", Path(__file__).with_name("PrintContracts.kt")]
    return compile_kotlin(folder / "library.jar", [*sources, *written], contract_jar)
