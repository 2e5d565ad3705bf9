"""Widths fall at the epochs that they should; the network, its file and its packed form agree."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import kit
from kit.errors import InputError
from kit.networks.fcn_vgg16 import FCNVGG16
from kit.quantization import BitWidthDecay, BitWidths, quantize
from kit.quantization.fake_quant_conv import FakeQuantConv
from kit.quantization.low_bit_activation import LowBitActivation
from kit.quantization.low_bit_conv import LowBitConv
from kit.quantization.packed import pack, packed_bits, unpack, unpacked_bits
from tests.kit.quantization.low_bit_network import arithmetic_of, low_bit_network
from tests.kit.small import CLASSES, IMAGE_SIZE

DECAY = [(8, 8), (4, 3), (1, 2)]
IMAGES = np.random.default_rng(1).integers(0, 256, (4, *IMAGE_SIZE, 3)).astype("float32")
LABELS = np.random.default_rng(2).integers(0, CLASSES, (4, *IMAGE_SIZE)).astype("uint8")


class _Seen(keras.callbacks.Callback):
    """Notes the widths of every step."""

    def __init__(self) -> None:
        super().__init__()
        self.widths: list[str] = []

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.widths.append(str(self.model.arithmetic.widths))


@pytest.fixture(scope="module")
def trained() -> tuple[FCNVGG16, _Seen]:
    network = low_bit_network(IMAGES, 1, 2)
    network.compile("adamw", loss=kit.losses.SegmentationCrossEntropy())
    seen = _Seen()
    network.fit(
        IMAGES,
        LABELS,
        batch_size=4,
        epochs=5,
        verbose=0,
        shuffle=False,
        callbacks=[BitWidthDecay(DECAY), seen],
    )
    return network, seen


def test_each_part_has_its_widths(trained: tuple[FCNVGG16, _Seen]) -> None:
    network, seen = trained
    assert seen.widths == ["8/8", "8/8", "4/3", "4/3", "1/2"]
    assert arithmetic_of(network).widths == BitWidths(1, 2)
    assert BitWidthDecay(DECAY).begins(5) == [0, 2, 4]


def test_kernels_have_few_values_and_the_edges_many(trained: tuple[FCNVGG16, _Seen]) -> None:
    convolutions = arithmetic_of(trained[0]).convolutions
    assert [type(made) for made in (convolutions[0], convolutions[-1])] == [FakeQuantConv] * 2
    narrow = [made for made in convolutions if isinstance(made, LowBitConv)]
    assert len(narrow) == len(convolutions) - 2
    for made in narrow:
        # One magnitude a channel.
        magnitudes = np.abs(ops.convert_to_numpy(made.kernel()))
        means = magnitudes.mean(made.channel_axes, keepdims=True)
        np.testing.assert_allclose(magnitudes, np.broadcast_to(means, magnitudes.shape), rtol=1e-3)


def test_training_moves_the_factor_of_each_step(trained: tuple[FCNVGG16, _Seen]) -> None:
    readers = [
        made for made in arithmetic_of(trained[0]).activations if isinstance(made, LowBitActivation)
    ]
    factors = [float(ops.convert_to_numpy(made.log_factor)) for made in readers]
    assert len(factors) > 10
    assert np.mean(np.abs(factors) > 1e-4) > 0.5


def test_saves_and_packs_as_it_is(trained: tuple[FCNVGG16, _Seen], tmp_path: Path) -> None:
    network, _ = trained
    expected = ops.convert_to_numpy(network(IMAGES))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras", compile=False)
    assert loaded.arithmetic.to_policy() == {
        "policy": "qat",
        "weight_bits": 1,
        "activation_bits": 2,
    }
    np.testing.assert_array_equal(ops.convert_to_numpy(loaded(IMAGES)), expected)
    path = tmp_path / "new" / "network.packed"
    size = pack(loaded, path)
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    assert size.packed == path.stat().st_size
    assert size.packed < 0.6 * size.int8 < 0.3 * size.float32
    again = unpack(path)
    np.testing.assert_allclose(ops.convert_to_numpy(again(IMAGES)), expected, atol=1e-4)
    data = path.read_bytes()
    for damaged in (data[:-1], b"x" + data, data + b"x"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="`path` must be a whole packed network"):
            unpack(path)
    with pytest.raises(InputError, match="found none at"):
        unpack(tmp_path / "absent")


@pytest.mark.parametrize("bits", range(1, 9))
def test_bits_are_packed_without_a_gap(bits: int) -> None:
    most = max(2 ** (bits - 1) - 1, 1)
    codes = np.random.default_rng(0).integers(-most, most + 1, 13).astype("float32")
    if bits == 1:
        codes[codes == 0] = 1
    data = packed_bits(codes, bits)
    assert len(data) == -(-13 * bits // 8)
    np.testing.assert_array_equal(unpacked_bits(data, 13, bits), codes)


def test_other_widths_begin_with_their_own(trained: tuple[FCNVGG16, _Seen]) -> None:
    network, _ = trained
    other = quantize(network, {"policy": "qat", "weight_bits": 4, "activation_bits": 4})
    assert arithmetic_of(other).widths == BitWidths(4, 4)
    other.compile("sgd", loss=kit.losses.SegmentationCrossEntropy())
    with pytest.raises(InputError, match=r"`bit_widths` must end with .* \(4/4\); received: 1/2"):
        other.fit(IMAGES, LABELS, epochs=3, verbose=0, callbacks=[BitWidthDecay(DECAY)])
    decay = BitWidthDecay([(8, 8), (5, 5), (4, 4)])
    with pytest.raises(InputError, match="must be 2 pairs or fewer, one an epoch; received: 3"):
        other.fit(IMAGES, LABELS, epochs=2, verbose=0, callbacks=[decay])
