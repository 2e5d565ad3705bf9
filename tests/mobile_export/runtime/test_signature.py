"""What counts as a tier, and what of it is off the contract."""

import re

import numpy as np
import pytest

from mobile_export.runtime.signature import Signature, Tensor


def _tensor(*shape: int, dtype: type = np.uint8) -> Tensor:
    return Tensor(shape, np.dtype(dtype))


IMAGE, MASK, CONFIDENCE = _tensor(1, 8, 6, 3), _tensor(1, 8, 6), _tensor(1)
OUTPUTS = {"mask": MASK, "confidence": CONFIDENCE}


@pytest.mark.parametrize(
    ("inputs", "outputs", "is_tier"),
    [
        (["image"], ["mask", "confidence"], True),
        (["image"], ["confidence", "mask"], True),
        (["image"], ["mask", "confidence", "state_1"], False),
        (["state_1"], ["mask", "confidence"], False),
        (["image", "state_1"], ["mask", "confidence"], False),
        (["image"], ["logits", "confidence"], False),
        (["image"], ["mask"], False),
        ([], [], False),
    ],
)
def test_a_tier_takes_an_image_and_gives_mask_and_confidence(
    inputs: list[str], outputs: list[str], is_tier: bool
) -> None:
    signature = Signature("x", dict.fromkeys(inputs, IMAGE), dict.fromkeys(outputs, MASK))
    assert signature.is_tier is is_tier


def test_a_tier_of_the_contract_has_no_fault() -> None:
    assert Signature("light", {"image": IMAGE}, OUTPUTS).fault == ""


def test_a_stage_of_the_contract_has_no_fault_and_gives_states() -> None:
    stage = Signature("light_stage2", {"state_1": IMAGE}, {**OUTPUTS, "state_2": CONFIDENCE})
    assert stage.fault == ""
    assert stage.states == {"state_2": CONFIDENCE}
    assert Signature("light", {"image": IMAGE}, OUTPUTS).states == {}


@pytest.mark.parametrize("name", ["mask", "confidence"])
def test_a_stage_without_mask_or_confidence_is_at_fault(name: str) -> None:
    outputs = {key: tensor for key, tensor in OUTPUTS.items() if key != name}
    stage = Signature("light_stage1", {"image": IMAGE}, {**outputs, "state_1": IMAGE})
    assert stage.fault.startswith(f"output `{name}` is missing, got ")


def test_inputs_that_fit_are_not_refused() -> None:
    stage = Signature("light_stage2", {"state_1": IMAGE, "state_2": CONFIDENCE}, OUTPUTS)
    given = {"state_2": np.zeros(1, np.uint8), "state_1": np.zeros((1, 8, 6, 3), np.uint8)}
    assert stage.refusal(given) == ""
    assert stage.refusal({**given, "state_2": np.zeros(2, np.uint8)}) == (
        "input `state_2` must be uint8 (1,), got uint8 (2,)"
    )


@pytest.mark.parametrize(
    ("name", "tensor", "fault"),
    [
        ("image", _tensor(1, 8, 6, 3, dtype=np.int8), "input `image` must be uint8 .*got int8"),
        ("image", _tensor(2, 8, 6, 3), "input `image` must be .*got uint8 .2, 8, 6, 3."),
        ("image", _tensor(1, 3, 8, 6), "input `image` must be .*got uint8 .1, 3, 8, 6."),
        ("image", _tensor(8, 6, 3), "input `image` must be .*got uint8 .8, 6, 3."),
        ("mask", _tensor(1, 8, 6, dtype=np.int64), "output `mask` must be uint8 .*got int64"),
        ("mask", _tensor(1, 8, 6, 1), "output `mask` must be .*got uint8 .1, 8, 6, 1."),
        ("mask", _tensor(2, 8, 6), "output `mask` must be .*got uint8 .2, 8, 6."),
        ("confidence", _tensor(1, dtype=np.float32), "output `confidence` must be .*got float32"),
        ("confidence", _tensor(1, 1), "output `confidence` must be uint8 .1,., got uint8 .1, 1."),
    ],
)
def test_a_fault_names_the_tensor_and_what_came(name: str, tensor: Tensor, fault: str) -> None:
    tensors = {"image": IMAGE, **OUTPUTS, name: tensor}
    signature = Signature("light", {"image": tensors.pop("image")}, tensors)
    assert re.search(fault, signature.fault)
