"""Whole signatures on integers alone give LiteRT's bytes."""

import platform
from collections.abc import Callable, Mapping

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.quantization import quantize
from mobile_export import export
from mobile_export.integer_comparison import Difference, compare
from mobile_export.integer_executor import IntegerExecutor
from mobile_export.packing import single
from mobile_export.runtime import Bundle
from mobile_export.runtime.interpreter import Interpreter
from tests.kit.conftest import randomised
from tests.kit.small import small_unet
from tests.mobile_export.blocks import Blocks
from tests.mobile_export.integers import Integers
from tests.mobile_export.tiny_models import OPERATORS, TinyGraph, TinyModel

X86 = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="kernels for speed differ by processor"
)
BLOCKS = Blocks("val", 4)
IMAGES = [BLOCKS.image(index) for index in range(len(BLOCKS))]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A tier trained in 8 bits, its exit, and both as stages, by both measures of confidence."""
    keras.utils.set_random_seed(1)
    policy = kit.search.ExitPolicy("entropy", 0.3, edge_aware=True)
    exits = [kit.Exit(17, "fcn-r2", policy)]
    network = randomised(small_unet(configurations={"light": "light"}, exits=exits))
    network = quantize(network, "qat", [np.stack(IMAGES).astype("float32")])
    path = tmp_path_factory.mktemp("integers") / "small.tflite"
    export(network, path, IMAGES, min_agreement=0.5, threads=1)
    return Bundle.open(path).model_bytes


Run = tuple[bytes, str, list[dict[str, np.ndarray]]]


@pytest.fixture(scope="module")
def runs(model: bytes) -> list[Run]:
    """Each signature as a model of its own, its name and inputs; states are random bytes."""
    rng, found = np.random.default_rng(0), []
    for name, signature in Interpreter(model).signatures.items():
        given = []
        for image in IMAGES[:2]:
            values = {
                key: rng.integers(0, 256, tensor.shape).astype(tensor.dtype)
                for key, tensor in signature.inputs.items()
            }
            if "image" in values:
                values["image"] = image[None]
            given.append(values)
        found.append((single(model, name), name, given))
    return found


def unequal(found: Mapping[str, Difference]) -> set[str]:
    """Of what there is any difference."""
    return {key for key, item in found.items() if item.unequal}


def test_every_operator_gives_the_bytes_of_the_reference_kernels(runs: list[Run]) -> None:
    seen = set()
    for model, name, given in runs:
        found = compare(model, name, given)
        seen |= set(found.operators)
        # The reference SUM of ai-edge-litert 2.3 adds up wrongly; a confidence by entropy needs it.
        assert unequal(found.operators) <= {"SUM"}, name
        assert unequal(found.outputs) <= ({"confidence"} if "SUM" in found.operators else set())
    assert {"CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "RESIZE_BILINEAR", "SOFTMAX", "LOG"} <= seen


@X86
def test_every_operator_is_a_step_at_most_from_litert_as_it_is(runs: list[Run]) -> None:
    """With XNNPACK's rounding none is off but those that LiteRT has in float."""
    for model, name, given in runs:
        exact, plain = (
            compare(model, name, given, kernels="xnnpack", rounding=rounding)
            for rounding in ("xnnpack", "reference")
        )
        assert unequal(exact.operators) <= {"SOFTMAX", "SUM"}, name
        differences = (*exact.operators.values(), *plain.operators.values())
        assert max(item.largest for item in differences) <= 1, name


@X86
def test_masks_and_states_have_the_bytes_of_litert_as_it_is(model: bytes, runs: list[Run]) -> None:
    interpreter = Interpreter(model)
    for own, name, given in runs:
        executor = IntegerExecutor(own, name, rounding="xnnpack")
        for values in given:
            mine, (theirs, _) = executor(**values), interpreter.run(name, values)
            assert mine.keys() == theirs.keys()
            assert len(np.unique(mine["mask"])) > 1
            for key in mine:
                assert mine[key].dtype == theirs[key].dtype
                difference = mine[key].astype(int) - theirs[key]
                limit = 2 if key == "confidence" else 0  # of 255; where SOFTMAX and SUM lead
                assert np.abs(difference).max() <= limit, f"{name} {key}"


@pytest.mark.parametrize("rounding", ["reference", "xnnpack"])
def test_no_operator_calculates_in_float(runs: list[Run], rounding: str) -> None:
    for model, name, given in runs:
        executor = IntegerExecutor(model, name, rounding=rounding)
        values = executor.values(given[0])
        assert all(array.dtype.kind in "biu" for array in values.values())
        for step in executor.steps:
            taken = [values.get(index, executor.tensors[index].constant) for index in step.inputs]
            found = executor.run(step, [Integers.of(array) for array in taken])
            np.testing.assert_array_equal(np.asarray(found), values[step.output])


# === Refusals ===


def model_of(build: Callable[[TinyGraph], int]) -> bytes:
    model = TinyModel()
    graph = model.signature("s")
    graph.output("y", build(graph))
    return model.packed()


def test_an_unknown_operator_is_named_with_its_tensor() -> None:
    def build(graph: TinyGraph) -> int:
        x = graph.input("x", (1, 4), "int8", (0.1, 0))
        return graph.apply(OPERATORS.ELU, x, outputs=[graph.tensor((1, 4), "int8", (0.1, 0))])

    with pytest.raises(InputError, match="got ELU for tensor 1 of signature 's': the operator is"):
        IntegerExecutor(model_of(build), "s")


def test_an_operator_of_several_outputs_is_named() -> None:
    def build(graph: TinyGraph) -> int:
        x = graph.input("x", (1, 4), "int8", (0.1, 0))
        halves = [graph.tensor((1, 2), "int8", (0.1, 0)) for _ in range(2)]
        return graph.apply(OPERATORS.SPLIT, graph.integers(1), x, outputs=halves, numSplits=2)

    with pytest.raises(InputError, match="got SPLIT for tensor"):
        IntegerExecutor(model_of(build), "s")


def test_float_is_refused() -> None:
    with pytest.raises(InputError, match="must take and give integers; got x in float"):
        IntegerExecutor(model_of(lambda graph: graph.input("x")), "s")

    def build(graph: TinyGraph) -> int:
        x = graph.input("x", (1, 4), "int32")
        real = graph.apply(OPERATORS.CAST, x, outputs=[graph.tensor((1, 4))])
        half = graph.apply(OPERATORS.MUL, real, graph.constant([0.5]))
        return graph.apply(
            OPERATORS.QUANTIZE, half, outputs=[graph.tensor((1, 4), "int8", (0.1, 0))]
        )

    with pytest.raises(InputError, match=r"got MUL for tensor .*: it works in float"):
        IntegerExecutor(model_of(build), "s")


def test_options_that_are_not_known_are_refused() -> None:
    def build(graph: TinyGraph) -> int:
        x = graph.input("x", (1, 4), "int8", (0.1, 0))
        y = graph.tensor((1, 4), "int8", (0.1, 0))
        return graph.apply(OPERATORS.ADD, x, x, outputs=[y], fusedActivationFunction=4)

    with pytest.raises(InputError, match=r"got ADD .* activation 4 is not known"):
        IntegerExecutor(model_of(build), "s")


def test_names_that_are_not_there_are_refused(model: bytes) -> None:
    with pytest.raises(InputError, match=r"`signature` must be one of light.*; got 'fast'"):
        IntegerExecutor(model, "fast")
    with pytest.raises(InputError, match="`rounding` must be one of reference, xnnpack; got 'no'"):
        IntegerExecutor(model, "light", rounding="no")
    with pytest.raises(InputError, match="`kernels` must be one of reference, builtin, xnnpack"):
        compare(model, "light", [], kernels="no")


def test_other_inputs_are_refused(model: bytes) -> None:
    executor = IntegerExecutor(model, "light")
    with pytest.raises(InputError, match="`inputs` must be image for 'light'; got picture"):
        executor(picture=IMAGES[0][None])
    with pytest.raises(InputError, match=r"`image` must be uint8 of shape \(1, 64, 64, 3\); got"):
        executor(image=IMAGES[0])
    with pytest.raises(InputError, match=r"`image` must be uint8 .*; got float32"):
        executor(image=IMAGES[0][None].astype(np.float32))
