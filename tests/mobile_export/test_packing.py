"""Packing loses no bit of what a model computes."""

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from mobile_export.inspection import Inspection
from mobile_export.packing import pack, single
from mobile_export.runtime.interpreter import Interpreter
from tests.mobile_export.blocks import CONFIGURATIONS, Blocks
from tests.mobile_export.conftest import Made
from tests.mobile_export.int8_convolutions import Convolutions, read

IMAGES = [Blocks("val").image(0)[None], np.full((1, 64, 64, 3), 255, np.uint8)]


def outputs(model: bytes, signature: str) -> list[dict[str, np.ndarray]]:
    interpreter = Interpreter(model)
    return [interpreter.run(signature, {"image": image})[0] for image in IMAGES]


def content_of(model: bytes) -> schema.ModelT:
    return schema.ModelT.InitFromPackedBuf(model, 0)


@pytest.mark.parametrize("tier", CONFIGURATIONS)
def test_every_output_stays_byte_equal(made: Made, tier: str) -> None:
    packed = pack(made.unpacked, merge_ties=False)
    assert len(packed) < 0.8 * len(made.unpacked)
    for before, after in zip(outputs(made.unpacked, tier), outputs(packed, tier), strict=True):
        assert before.keys() == after.keys()
        for name in before:
            np.testing.assert_array_equal(before[name], after[name])


def test_merged_ties_are_few_steps_of_one(made: Made) -> None:
    exact, merged = (content_of(pack(made.unpacked, merge_ties=t)) for t in (False, True))
    assert sum(b.data is not None for b in merged.buffers) <= sum(
        b.data is not None for b in exact.buffers
    )
    for graph, other in zip(exact.subgraphs, merged.subgraphs, strict=True):
        for before, after in zip(graph.tensors, other.tensors, strict=True):
            data = exact.buffers[before.buffer].data
            if data is None:
                continue
            kept = merged.buffers[after.buffer].data
            if before.type != schema.TensorType.INT8:
                assert bytes(data) == bytes(kept)
                continue
            steps = np.abs(data.view(np.int8).astype(int) - kept.view(np.int8))
            assert steps.max() <= 1
            assert steps.mean() <= 0.05


@pytest.mark.parametrize(("share", "bit", "stored"), [(0.03, 1, 1), (0.08, 1, 2), (0.005, 2, 2)])
def test_a_kernel_is_merged_only_if_few_values_differ_by_one_step(
    made: Made, share: float, bit: int, stored: int
) -> None:
    content = content_of(made.model)
    shared = _shared_kernel(content)
    (tensor, *_) = shared
    kernel = content.buffers[tensor.buffer].data
    other = kernel.copy()
    other[: int(share * len(kernel))] ^= bit
    content.buffers.append(schema.BufferT(data=other))
    tensor.buffer = len(content.buffers) - 1
    packed = content_of(pack(_written(content)))
    equal = [b for b in packed.buffers if b.data is not None and len(b.data) == len(kernel)]
    near = [b for b in equal if (b.data == kernel).mean() > 0.5]
    assert len(near) == stored


def test_every_table_is_written_once(made: Made) -> None:
    model = schema.Model.GetRootAs(made.model)
    tables: dict[tuple[bytes, int], set[int]] = {}
    names = 0
    for g in range(model.SubgraphsLength()):
        graph = model.Subgraphs(g)
        public = {*graph.InputsAsNumpy(), *graph.OutputsAsNumpy()}
        for t in range(graph.TensorsLength()):
            tensor = graph.Tensors(t)
            names += tensor.Name() is not None and t not in public
            table = tensor.Quantization()
            if table is not None and table.ScaleLength():
                key = (table.ScaleAsNumpy().tobytes(), table.QuantizedDimension())
                key += (table.ZeroPointAsNumpy().tobytes(),)
                tables.setdefault(key, set()).add(table._tab.Pos)
    assert max(len(places) for places in tables.values()) == 1
    assert len(tables) > 50
    assert names == 0


def test_weights_are_aligned_as_the_schema_asks(made: Made) -> None:
    model = schema.Model.GetRootAs(made.model)
    places = [
        model.Buffers(b)._tab.Vector(model.Buffers(b)._tab.Offset(4))
        for b in range(model.BuffersLength())
        if model.Buffers(b).DataLength()
    ]
    assert len(places) > 50
    assert {place % 16 for place in places} == {0}


def test_a_packed_model_is_packed_to_itself(made: Made) -> None:
    assert pack(made.model) == made.model


def test_the_file_lists_the_tiers_in_the_networks_order(made: Made) -> None:
    content = content_of(made.model)
    assert [entry.signatureKey.decode() for entry in content.signatureDefs] == list(CONFIGURATIONS)
    assert [entry.subgraphIndex for entry in content.signatureDefs] == [0, 1, 2]


@pytest.mark.parametrize("tier", CONFIGURATIONS)
def test_a_tier_alone_works_as_in_the_file(made: Made, tier: str) -> None:
    alone = single(made.model, tier)
    assert list(Interpreter(alone).signatures) == [tier]
    assert len(alone) < len(made.model)
    for before, after in zip(outputs(made.model, tier), outputs(alone, tier), strict=True):
        for name in before:
            np.testing.assert_array_equal(before[name], after[name])


def nearly_alike(change: int) -> tuple[np.ndarray, np.ndarray]:
    """Two kernels of 1,152 bytes, 25 values of which differ."""
    kernel = np.random.default_rng(4).integers(-39, 40, (8, 4, 4, 9)).astype(np.int8)
    kernel[:, 0, 0, 0] = 60
    other = kernel.copy()
    other[:5, 1, 1, :5] += np.int8(change)
    return kernel, other


@pytest.mark.parametrize("change", [1, 3])
def test_two_layers_of_nearly_equal_kernels_stay_two(change: int) -> None:
    """As two bilinear interpolations are that were trained a little."""
    kernels = nearly_alike(change)
    model = Convolutions()
    for signature in ("one", "other"):
        for kernel in kernels:
            model.add(kernel, np.full(8, 0.5), signature=signature)
    packed = pack(model.packed())
    found = read(packed)
    assert len({item.buffer for item in found}) == 2
    for item, expected in zip(found, 2 * kernels, strict=True):
        np.testing.assert_array_equal(item.kernel, expected)
    assert Inspection(packed).repeated_weights() == (0, 0)


def test_one_kernel_in_two_signatures_is_still_found_twice() -> None:
    kernels = nearly_alike(1)
    model = Convolutions()
    for signature, kernel in zip(("one", "other"), kernels, strict=True):
        model.add(kernel, np.full(8, 0.5), signature=signature)
    assert Inspection(model.packed()).repeated_weights() == (1, kernels[0].size)
    assert len({item.buffer for item in read(pack(model.packed()))}) == 1


def _shared_kernel(content: schema.ModelT) -> list[schema.TensorT]:
    """The tensors of all graphs that point at one large kernel."""
    users: dict[int, list[schema.TensorT]] = {}
    for graph in content.subgraphs:
        for tensor in graph.tensors:
            data = content.buffers[tensor.buffer].data
            if tensor.type == schema.TensorType.INT8 and data is not None and len(data) > 2000:
                users.setdefault(tensor.buffer, []).append(tensor)
    return next(tensors for tensors in users.values() if len(tensors) > 1)


def _written(content: schema.ModelT) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(0)
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
