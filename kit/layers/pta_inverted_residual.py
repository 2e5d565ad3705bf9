"""Encoder block whose branch is chosen after training (arXiv 2301.06358, arXiv 2207.13410)."""

from __future__ import annotations

import keras
import numpy as np

from kit.errors import InputError
from kit.layers.conv_norm import ConvNorm
from kit.layers.inverted_residual import InvertedResidual


class PTAInvertedResidual(keras.layers.Layer):
    """Drop-in replacement of an inverted residual with branches of different cost.

    `heavy` is MobileNetV2's block, unchanged. `light` is the identity where the block has a
    shortcut (the block is skipped: nothing new to train), and where it has none an inverted
    residual of a smaller expansion that starts from the most important channels of the heavy one.
    The paper's own block diagram is not public; both forms of `light` are this project's, chosen
    because a branch that starts from noise was measured to ruin the tier.

    Args:
        in_channels: Input channels.
        filters: Output channels.
        strides: 1 or 2.
        dilation: Of the depthwise convolution of both branches.
        expansion: Ratio of the heavy branch's expansion, 6 in MobileNetV2.
        light_expansion: Ratio of the light branch where there is no shortcut; `None`: such a block
            has no light branch.
        name: Name in Keras Applications: `block_3`.

    Input shape: `(batch, height, width, in_channels)`; output:
    `(batch, height / strides, width / strides, filters)`.
    """

    def __init__(
        self,
        in_channels: int,
        filters: int,
        *,
        strides: int,
        dilation: int = 1,
        expansion: int = 6,
        light_expansion: int | None = None,
        name: str,
    ) -> None:
        super().__init__(name=f"{name}_pta")
        self.has_shortcut = strides == 1 and in_channels == filters
        self.heavy = InvertedResidual(
            filters,
            expanded=expansion * in_channels,
            in_channels=in_channels,
            strides=strides,
            dilation=dilation,
            name=name,
        )
        self.light = (
            InvertedResidual(
                filters,
                expanded=light_expansion * in_channels,
                in_channels=in_channels,
                strides=strides,
                dilation=dilation,
                name=f"{name}_light",
            )
            if light_expansion and not self.has_shortcut
            else None
        )
        self.add = keras.layers.Add(name=f"{name}_add") if self.has_shortcut else None

    @property
    def choices(self) -> tuple[str, ...]:
        """Branches that a configuration may choose."""
        return ("light", "heavy") if self.has_shortcut or self.light else ("heavy",)

    def connect(self, x: keras.KerasTensor, branch: str, path: str) -> keras.KerasTensor:
        """Wire one branch behind `x`, which was reached by `path`."""
        if branch == "light" and self.has_shortcut:
            return x
        block = self.heavy if branch == "heavy" else self.light
        if block is None:
            raise InputError(
                f"`branch` must be one of {', '.join(self.choices)}; received: {branch!r}"
            )
        y = block.connect(x, path)
        return self.add([x, y]) if self.add is not None else y

    def light_from_heavy(self) -> None:
        """Start the light branch from the heavy one's most important expanded channels.

        Importance of a channel: the L1 norm of what it adds to the projection, scaled by the
        range that its batch normalisation gives it.
        """
        light, heavy = self.light, self.heavy
        if light is None or light.expand is None or heavy.expand is None:
            return
        gamma = np.abs(keras.ops.convert_to_numpy(heavy.depthwise.norms[0].gamma))
        beta = np.abs(keras.ops.convert_to_numpy(heavy.depthwise.norms[0].beta))
        kernel = keras.ops.convert_to_numpy(heavy.project.conv.kernel)
        importance = (gamma + beta) * np.abs(kernel).sum(axis=(0, 1, 3))
        count = light.depthwise.conv.kernel.shape[-2]
        kept = np.sort(np.argsort(importance)[::-1][:count])
        for source, target, axis in (
            (heavy.expand, light.expand, -1),
            (heavy.depthwise, light.depthwise, -2),
            (heavy.project, light.project, -2),
        ):
            _copy_channels(source, target, kept, axis)


def _copy_channels(source: ConvNorm, target: ConvNorm, kept: np.ndarray, axis: int) -> None:
    kernel = keras.ops.convert_to_numpy(source.conv.kernel)
    target.conv.kernel.assign(np.take(kernel, kept, axis=axis))
    old, new = source.norms[0], target.norms[0]
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        values = keras.ops.convert_to_numpy(getattr(old, name))
        getattr(new, name).assign(
            values if target.conv.kernel.shape[-1] == values.size else values[kept]
        )
