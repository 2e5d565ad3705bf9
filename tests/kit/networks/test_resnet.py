"""The dilated ResNet-50 is that of Keras Applications, value for value."""

from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.networks import resnet
from kit.networks.published import SCALE
from tests.kit.conftest import randomised
from tests.kit.small import CLASSES, IMAGE_SIZE

# Behind each of the 16 blocks: the layer, by the name that Keras Applications gives it too.
ENDS = [f"{g.name}_block{i}_out" for g in resnet.GROUPS for i in range(1, g.blocks + 1)]
# Its stride in the published network.
STRIDES = [4] * 3 + [8] * 4 + [16] * 6 + [32] * 3


@pytest.fixture(scope="module")
def reference() -> keras.Model:
    """A random ResNet50 without top."""
    keras.utils.set_random_seed(1)
    model = keras.applications.ResNet50(
        input_shape=(*IMAGE_SIZE, 3), include_top=False, weights=None
    )
    return randomised(model)


@pytest.fixture(scope="module")
def networks(
    reference: keras.Model, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, kit.FCN]:
    """Networks of output strides 8 and 16 with its weights."""
    path = tmp_path_factory.mktemp("backbone") / "random.weights.h5"
    reference.save_weights(path)
    fine = kit.FCN(CLASSES, IMAGE_SIZE, backbone="resnet50", output_stride=8, encoder_weights=path)
    coarse = kit.FCN.from_config({**fine.get_config(), "output_stride": 16})
    coarse.set_weights(fine.get_weights())
    return {8: fine, 16: coarse}


@pytest.mark.parametrize("output_stride", [8, 16])
def test_every_block_is_the_published_one_where_that_has_a_pixel(
    networks: dict[int, kit.FCN], reference: keras.Model, images: np.ndarray, output_stride: int
) -> None:
    seen = keras.applications.resnet.preprocess_input(images[:2].copy())
    published = keras.Model(reference.inputs, [reference.get_layer(n).output for n in ENDS])
    plain = networks[output_stride].tier("plain")
    ours = keras.Model(plain.inputs, [plain.get_layer(name).output for name in ENDS])

    pairs = zip(ours([images[:2]]), published([seen]), strict=True)
    for name, stride, pair in zip(ENDS, STRIDES, pairs, strict=True):
        actual, expected = (np.asarray(keras.ops.convert_to_numpy(x)) for x in pair)
        finer = max(stride // output_stride, 1)
        assert actual.shape[1:3] == (expected.shape[1] * finer, expected.shape[2] * finer), name
        assert expected.std() > 0.01
        np.testing.assert_allclose(
            actual[:, ::finer, ::finer], expected, atol=1e-4 * expected.max(), err_msg=name
        )


def test_parameters_are_the_published_ones_but_for_biases(
    networks: dict[int, kit.FCN], reference: keras.Model
) -> None:
    biases = sum(layer.bias.shape[0] for layer in reference.layers if layer.name.endswith("_conv"))
    plain = networks[8].tier("plain")
    backbone = keras.Model(plain.inputs, plain.get_layer(ENDS[-1]).output)
    assert biases == 26560
    assert backbone.count_params() == reference.count_params() - biases


def test_the_first_kernel_reads_red_first_and_takes_up_the_scale(
    networks: dict[int, kit.FCN], reference: keras.Model
) -> None:
    kernel = networks[8].tier("plain").get_layer("conv1_conv").kernel
    expected = reference.get_layer("conv1_conv").get_weights()[0]
    for ours, theirs in enumerate((2, 1, 0)):
        # A power of two: not a bit is lost.
        np.testing.assert_array_equal(kernel[:, :, ours] * SCALE, expected[:, :, theirs])


@pytest.mark.parametrize(
    ("output_stride", "expected"),
    [(8, [1] * 7 + [2] * 6 + [4] * 3), (16, [1] * 13 + [2] * 3)],
)
def test_what_is_behind_a_lost_stride_dilates(
    networks: dict[int, kit.FCN], output_stride: int, expected: list[int]
) -> None:
    names = [end.replace("_out", "_2_conv") for end in ENDS]
    plain = networks[output_stride].tier("plain")
    assert [plain.get_layer(name).dilation_rate[0] for name in names] == expected
    layers = (plain.get_layer(end.replace("_out", "_1_conv")) for end in ENDS)
    strided = [layer.name for layer in layers if layer.strides[0] == 2]
    assert strided == ["conv3_block1_1_conv", "conv4_block1_1_conv"][: output_stride // 8]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"`encoder_weights` must be .* no file at .*none\.h5"):
        resnet.load_imagenet_weights(None, str(tmp_path / "none.h5"))


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(InputError, match=r"must hold ResNet50 without top; .*other") as error:
        resnet.load_imagenet_weights(None, str(tmp_path / "other.weights.h5"))
    assert "\n" not in str(error.value)
