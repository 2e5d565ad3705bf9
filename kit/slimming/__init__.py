"""Network slimming: channels that training finds to matter least are removed."""

from kit.slimming.channel_group import ChannelGroup
from kit.slimming.channel_map import SCOPES, ChannelMap
from kit.slimming.channel_pruning import ChannelPruning
from kit.slimming.network_slimming import NetworkSlimming
from kit.slimming.slimmed import carry_optimizer, slimmed

__all__ = [
    "SCOPES",
    "ChannelGroup",
    "ChannelMap",
    "ChannelPruning",
    "NetworkSlimming",
    "carry_optimizer",
    "slimmed",
]
