"""Tensors are told by how they are computed: equal digests mean equal values."""

from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from mobile_export.identity import identities
from tests.mobile_export.tiny_models import OPERATORS, TinyGraph, TinyModel

RNG = np.random.default_rng(0)
SCALE, SHIFT, OTHER = (RNG.normal(size=(1, 4)).astype(np.float32) for _ in range(3))
AFTER = {"stage2": "stage1", "stage3": "stage2"}


def chain(model: TinyModel, order: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """A whole computation and three stages of it, of which the second hands a state on.

    Returns:
        Signature -> name of a value -> its tensor.
    """
    found = {}
    for name in order:
        graph = model.signature(name)
        steps: dict[str, int] = {}
        if name in ("whole", "stage1"):
            steps["image"] = graph.input("image")
            scale = graph.constant(SCALE)
            steps["scaled"] = graph.apply(OPERATORS.MUL, steps["image"], scale)
            steps["kept"] = graph.apply(OPERATORS.RELU, steps["image"])
        else:
            steps["scaled" if name == "stage2" else "shifted"] = graph.input("state_x")
            steps["kept"] = graph.input("state_kept")
        if name in ("whole", "stage2"):
            shift = graph.constant(SHIFT)
            steps["shifted"] = graph.apply(OPERATORS.ADD, steps["scaled"], shift)
        if name in ("whole", "stage3"):
            steps["mask"] = graph.apply(OPERATORS.SUB, steps["shifted"], steps["kept"])
            graph.output("mask", steps["mask"])
        else:
            graph.output("state_x", steps["scaled" if name == "stage1" else "shifted"])
            graph.output("state_kept", steps["kept"])
        found[name] = steps
    return found


ORDERS = [("whole", "stage1", "stage2", "stage3"), ("stage3", "stage2", "whole", "stage1")]


@pytest.mark.parametrize("order", ORDERS, ids=["in order", "last first"])
def test_a_chain_of_stages_computes_what_one_signature_does(order: tuple[str, ...]) -> None:
    model = TinyModel()
    steps = chain(model, order)
    known = identities(model.content, AFTER)
    whole = steps["whole"]
    digests = {key: known[order.index("whole"), tensor] for key, tensor in whole.items()}
    assert len(set(digests.values())) == len(digests)
    for name, own in steps.items():
        for key, tensor in own.items():
            assert known[order.index(name), tensor] == digests[key], (name, key)


@pytest.mark.parametrize("order", ORDERS, ids=["in order", "last first"])
def test_equal_digests_are_equal_values_when_run(order: tuple[str, ...]) -> None:
    model = TinyModel()
    steps = chain(model, order)
    known = identities(model.content, AFTER)
    given: dict[str, Any] = {"image": np.asarray([[-1.5, 0.25, 2.0, -0.5]], np.float32)}
    values: dict[bytes, list[np.ndarray]] = {}
    for name in ("whole", "stage1", "stage2", "stage3"):
        interpreter = Interpreter(
            model_content=model.packed(),
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        outputs = interpreter.get_signature_runner(name)(**given)
        for tensor in steps[name].values():
            place = order.index(name), tensor
            values.setdefault(known[place], []).append(interpreter.get_tensor(tensor, place[0]))
        given = outputs if name != "whole" else given
    assert len(values) == 5
    assert sum(map(len, values.values())) == 14
    for same in values.values():
        for value in same[1:]:
            np.testing.assert_array_equal(value, same[0])
    firsts = [same[0].tobytes() for same in values.values()]
    assert len(set(firsts)) == len(firsts)


def test_without_the_chain_a_state_is_an_input_like_any_other() -> None:
    model = TinyModel()
    steps = chain(model, ORDERS[0])
    apart, together = identities(model.content, {}), identities(model.content, AFTER)
    place = 2, steps["stage2"]["shifted"]
    assert apart[place] != apart[0, steps["whole"]["shifted"]]
    assert together[place] == together[0, steps["whole"]["shifted"]]


def digest(build: Any) -> bytes:
    """Digest of the last output of a signature that `build` makes."""
    model = TinyModel()
    graph = model.signature("one")
    tensor = build(graph)
    return identities(model.content, {})[0, tensor]


def reference(graph: TinyGraph) -> int:
    return graph.apply(OPERATORS.SUB, graph.input("image"), graph.constant(SHIFT))


def padded(graph: TinyGraph) -> int:
    """The same with other tensors around it, so that every index is another."""
    graph.constant(OTHER)
    graph.tensor((3, 3))
    shift = graph.constant(SHIFT)
    image = graph.input("image")
    graph.apply(OPERATORS.RELU, image)
    return graph.apply(OPERATORS.SUB, image, shift)


def other_image(graph: TinyGraph) -> int:
    return graph.apply(OPERATORS.SUB, graph.input("image", (4, 4)), graph.constant(SHIFT))


def other_input(graph: TinyGraph) -> int:
    return graph.apply(OPERATORS.SUB, graph.input("picture"), graph.constant(SHIFT))


def other_constant(graph: TinyGraph) -> int:
    return graph.apply(OPERATORS.SUB, graph.input("image"), graph.constant(OTHER))


def other_shape(graph: TinyGraph) -> int:
    return graph.apply(OPERATORS.SUB, graph.input("image"), graph.constant(SHIFT[0]))


def other_operator(graph: TinyGraph) -> int:
    return graph.apply(OPERATORS.ADD, graph.input("image"), graph.constant(SHIFT))


def other_order(graph: TinyGraph) -> int:
    return graph.apply(OPERATORS.SUB, graph.constant(SHIFT), graph.input("image"))


def other_options(graph: TinyGraph) -> int:
    image = graph.input("image")
    return graph.apply(OPERATORS.SUB, image, graph.constant(SHIFT), fusedActivationFunction=1)


def test_indices_and_neighbours_do_not_matter() -> None:
    assert digest(reference) == digest(reference) == digest(padded)


@pytest.mark.parametrize(
    "build",
    [
        other_image,
        other_input,
        other_constant,
        other_shape,
        other_operator,
        other_order,
        other_options,
    ],
)
def test_what_makes_another_value_makes_another_digest(build: Any) -> None:
    assert digest(build) != digest(reference)


@pytest.mark.parametrize("of_any_size", [False, True])
def test_images_of_two_sizes_are_told_apart_unless_they_need_not_be(of_any_size: bool) -> None:
    def interpolated(side: int, factor: int) -> bytes:
        model = TinyModel()
        graph = model.signature("one")
        image = graph.input("image", (1, side, side, 4))
        shifted = graph.apply(
            OPERATORS.ADD,
            image,
            graph.constant(SHIFT),
            outputs=[graph.tensor((1, side, side, 4))],
        )
        large = factor * side
        tensor = graph.apply(
            OPERATORS.RESIZE_BILINEAR,
            shifted,
            graph.integers([large, large]),
            outputs=[graph.tensor((1, large, large, 4))],
            halfPixelCenters=True,
        )
        return identities(model.content, {}, of_any_size=of_any_size)[0, tensor]

    assert (interpolated(2, 2) == interpolated(3, 2)) is of_any_size
    assert interpolated(2, 2) != interpolated(2, 4)
    assert interpolated(2, 4) != interpolated(4, 2)


def test_each_output_of_an_operator_has_a_digest_of_its_own() -> None:
    model = TinyModel()
    graph = model.signature("one")
    image, axis = graph.input("image"), graph.integers(1)
    halves = [graph.tensor((1, 2)) for _ in range(2)]
    graph.apply(OPERATORS.SPLIT, axis, image, outputs=halves, numSplits=2)
    loose = graph.tensor((1, 2))
    known = identities(model.content, {})
    assert known[0, halves[0]] != known[0, halves[1]]
    assert (0, loose) not in known  # nothing says what it holds
