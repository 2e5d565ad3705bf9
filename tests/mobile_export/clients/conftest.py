"""What the tests of the clients share."""

from pathlib import Path

import pytest

from tests.mobile_export.clients.kotlin_compiler import ANDROID, compile_kotlin


@pytest.fixture(scope="session")
def contract_jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The contract part of the Android library and its test program, compiled."""
    out = tmp_path_factory.mktemp("kotlin") / "contract.jar"
    return compile_kotlin(out, [ANDROID / "contract" / "src"])
