"""Any `.tflite` can be timed, or says in one line why not."""

from pathlib import Path

import pytest

import kit
from mobile_export.candidate import Candidate
from mobile_export.converter import convert_float32
from mobile_export.runtime import TiersegError
from mobile_export.signatures import freeze
from tests.mobile_export import sabotage
from tests.mobile_export.blocks import CONFIGURATIONS
from tests.mobile_export.conftest import Made


def test_signatures_of_a_bundle(made: Made) -> None:
    assert Candidate.signatures(str(made.path)) == list(CONFIGURATIONS)
    assert Candidate(str(made.path), "medium").run() > 0


def test_a_stage_is_run_on_states(tiny_bundle: Path) -> None:
    candidate = Candidate(str(tiny_bundle), "heavy_stage2")
    assert {name: given.shape for name, given in candidate._inputs.items()} == {
        "state_1": (1, 12, 16, 3),
        "state_2": (1, 48, 64, 3),
    }
    assert candidate.run() > 0


def test_a_float_model(network: kit.AdaptiveUNet, tmp_path: Path) -> None:
    path = tmp_path / "float.tflite"
    path.write_bytes(convert_float32([freeze(network, kit.Tier("light"), quantized=False)]))
    assert Candidate(str(path), "light").run() > 0


def test_an_unknown_signature_is_one_line(made: Made) -> None:
    with pytest.raises(TiersegError, match=r"blocks\.tflite must be a model that LiteRT runs"):
        Candidate(str(made.path), "fast")


def test_an_operator_that_litert_has_not_is_one_line(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "flex.tflite"
    path.write_bytes(sabotage.edited(made.model, sabotage.use_a_flex_operator))
    with pytest.raises(TiersegError, match=r"flex\.tflite must be .* it says: .*FlexErf"):
        Candidate(str(path), "light")
    assert Candidate.signatures(str(path)) == list(CONFIGURATIONS)


def test_what_is_no_model_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(40))
    with pytest.raises(TiersegError, match=r"cut\.tflite must be a model that LiteRT runs"):
        Candidate.signatures(str(path))
