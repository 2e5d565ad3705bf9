"""What a stage hands on, the next one takes as the same bytes."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobile_export.runtime.errors import TiersegError
from mobile_export.states import joined
from tests.mobile_export.tiny_models import OPERATORS, TinyModel, runner

TABLE = (0.5, 3)  # scale and zero point of the state that is worked on
KEPT = (0.25, 7)  # of the one that is handed on
AFTER = {"s2": "s1", "s3": "s2"}


def stages(taken: tuple[float, int] = TABLE) -> TinyModel:
    """Three stages; the second takes one state with `taken`, and hands on the other in float."""
    model = TinyModel()
    graph = model.signature("s1")
    image = graph.input("image", dtype="uint8", table=(1.0, 0))
    for name, table in (("state_x", TABLE), ("state_kept", KEPT)):
        state = graph.tensor((1, 4), "uint8", table)
        graph.apply(OPERATORS.QUANTIZE, image, outputs=[state])
        graph.output(name, state)
    graph = model.signature("s2")
    x, kept = graph.input("state_x", dtype="uint8", table=taken), graph.input("state_kept")
    again = graph.tensor((1, 4), "uint8", TABLE)
    graph.apply(OPERATORS.QUANTIZE, x, outputs=[again])
    graph.output("state_x", again)
    graph.output("state_kept", kept)
    graph = model.signature("s3")
    graph.input("state_x", dtype="uint8", table=TABLE)
    kept = graph.input("state_kept", dtype="uint8", table=KEPT)
    mask = graph.tensor((1, 4), "uint8", (1.0, 0))
    graph.apply(OPERATORS.QUANTIZE, kept, outputs=[mask])
    graph.output("mask", mask)
    return model


def tensor(model: bytes, signature: str, name: str, side: str) -> schema.TensorT:
    content = schema.ModelT.InitFromPackedBuf(model, 0)
    (entry,) = (item for item in content.signatureDefs if item.signatureKey == signature.encode())
    (index,) = (item.tensorIndex for item in getattr(entry, side) if item.name == name.encode())
    return content.subgraphs[entry.subgraphIndex].tensors[index]


def test_a_model_without_stages_stays_as_it_is() -> None:
    model = stages().packed()
    assert joined(model, {}) is model


@pytest.mark.parametrize("after", [AFTER, dict(reversed(AFTER.items()))], ids=["first", "last"])
@pytest.mark.parametrize("name", ["state_x", "state_kept"])
def test_both_sides_of_a_state_have_one_scale(name: str, after: dict[str, str]) -> None:
    """Whichever stage is named first: what is handed on twice is known from the first stage."""
    model = joined(stages().packed(), after)
    expected = {"state_x": TABLE, "state_kept": KEPT}[name]
    for signature, side in (
        ("s1", "outputs"),
        ("s2", "inputs"),
        ("s2", "outputs"),
        ("s3", "inputs"),
    ):
        found = tensor(model, signature, name, side)
        assert found.type == schema.TensorType.UINT8
        table = found.quantization
        assert (table.scale.tolist(), table.zeroPoint.tolist()) == ([expected[0]], [expected[1]])


def test_what_is_only_handed_on_was_float_before() -> None:
    before = tensor(stages().packed(), "s2", "state_kept", "inputs")
    assert before.type == schema.TensorType.FLOAT32
    assert before.quantization is None


def test_the_chain_runs_on_the_bytes_of_the_first_stage() -> None:
    model = joined(stages().packed(), AFTER)
    image = np.asarray([[0, 1, 20, 60]], np.uint8)
    first = runner(model, "s1")(image=image)
    np.testing.assert_array_equal(first["state_x"], image * 2 + 3)  # value / scale + zero point
    np.testing.assert_array_equal(first["state_kept"], image * 4 + 7)
    second = runner(model, "s2")(**first)
    np.testing.assert_array_equal(second["state_kept"], first["state_kept"])
    np.testing.assert_array_equal(runner(model, "s3")(**second)["mask"], image)


def test_a_scale_that_differs_by_rounding_becomes_that_of_the_giver() -> None:
    rounded = float(np.nextafter(np.float32(TABLE[0]), np.float32(1)))
    assert rounded != TABLE[0]
    model = joined(stages((rounded, TABLE[1])).packed(), AFTER)
    assert tensor(model, "s2", "state_x", "inputs").quantization.scale.tolist() == [TABLE[0]]


@pytest.mark.parametrize("taken", [(0.500005, 3), (0.5, 4), (0.25, 3)])
def test_a_scale_that_differs_is_refused(taken: tuple[float, int]) -> None:
    with pytest.raises(TiersegError, match=r"s2 must take state_x as it was given; its scale is"):
        joined(stages(taken).packed(), AFTER)
