"""Which channels hang together."""

import pytest

import kit
from kit.errors import InputError
from kit.slimming import ChannelMap
from tests.kit.slimming.tiny import CLASSES, TinyNetwork

HEAD = [
    ("deeplab_aspp0_BN",),
    ("deeplab_aspp1_BN",),
    ("deeplab_aspp2_BN",),
    ("deeplab_aspp3_BN",),
    # What is added up, and of the two the convolution that has no normalisation.
    ("deeplab_merge_BN", "deeplab_merge_pooled"),
    ("deeplab_conv_BN",),
]


def names(network: kit.AdaptiveNetwork, scope: str) -> list[set[str]]:
    """Layers of each group, those of further paths left out."""
    return [
        {name for name in group.layers if "_path" not in name}
        for group in ChannelMap(network).groups(scope)  # type: ignore[arg-type]
    ]


def test_channels_that_are_added_up_or_convolved_one_by_one_are_one() -> None:
    network = TinyNetwork()
    trunk = [
        {"stem_BN", "block_1_project_BN"},
        {"block_1_expand_BN", "block_1_depthwise_BN"},
        {"block_2_expand_BN", "block_2_depthwise_BN"},
        {"block_2_project_BN"},
    ]
    head = [set(group) for group in HEAD]
    assert sorted(map(sorted, names(network, "multi_scale"))) == sorted(map(sorted, head))
    assert sorted(map(sorted, names(network, "network"))) == sorted(map(sorted, trunk + head))


def test_paths_share_their_scale_and_count_once() -> None:
    groups = ChannelMap(TinyNetwork()).groups()
    (stream,) = (group for group in groups if "stem_BN" in group.layers)
    assert len(stream.gammas) == 2
    (inner,) = (group for group in groups if "block_2_expand_BN" in group.layers)
    assert {"block_2_expand_BN_path1", "block_2_depthwise_BN_path1"} < set(inner.layers)
    assert len(inner.gammas) == 2


def test_features_that_an_exit_adds_to_are_of_the_trunk() -> None:
    exits = [{"after": 1, "head": "fcn-b1"}]
    network = TinyNetwork(exits=exits)
    scoped = names(network, "multi_scale")
    project = "exit_1_fcn_b1_block1_project_BN"
    assert {"exit_1_fcn_b1_conv_BN"} in scoped
    assert not any(project in group for group in scoped)
    (stream,) = (group for group in names(network, "network") if project in group)
    assert stream == {"stem_BN", "block_1_project_BN", project}


def test_what_is_not_there_is_refused_in_one_line() -> None:
    channels = ChannelMap(kit.FCNVGG16(CLASSES, (32, 32), width=0.05))
    with pytest.raises(InputError, match="`scope` must hold channels that are normalised") as error:
        channels.groups("multi_scale")
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="one of multi_scale, network; received: 'head'"):
        channels.groups("head")  # type: ignore[arg-type]


def test_channels_of_dictionaries_are_left_alone() -> None:
    # What is subtracted from them is not zero where they are.
    channel_map = ChannelMap(kit.CSCUNet(3, (16, 16), width=1 / 16, unfoldings=1))
    with pytest.raises(InputError, match="'network', which has none in this network"):
        channel_map.groups("network")
