"""J-Net's tail: logits of a small image enlarged to labels of a large one."""

from __future__ import annotations

import keras

from kit.layers.channelwise_kernel import ChannelwiseKernel
from kit.layers.tail_config import TailConfig

_REPEAT = (1.0, 1.0)
_SMOOTH = (0.25, 0.5, 0.25)
_SAME = (0.0, 1.0, 0.0)
_FIRST_MERGED = 3
_SKIPPED = {3: 2, 4: 3}
"""Doublings of the skip from the base's logits, by the number of the level that it is merged into.
"""


class HighResTail(keras.layers.Layer):
    """Learned enlargement of logits, 2 to 16 times, level by level (J-Net, arXiv 2403.05340).

    With `o_0` the logits that it takes in and each `o_k` twice as large as the one before::

        o_1 = U1(o_0)    o_2 = U2(o_1)    o_3 = C([S4(o_0), o_2])    o_4 = C([S8(o_0), o_3])

    U1 and U2 are a 2×2 transposed convolution of stride 2 and a 3×3 convolution; S4 and S8 two and
    three transposed convolutions, the same 3×3 convolution behind each; C, the same for both
    levels, is a transposed convolution of twice the channels and a 3×3 convolution that halves
    them. All with biases; no normalisation and no activation. For c classes that makes 98c² + 14c
    parameters at a scale of 16, 112 for one; 77c² + 10c at 8, 87 for one (S8, which the published
    code holds without using it there, is left out).

    Depthwise, which the paper has not, bilinear interpolation takes the place of each transposed
    convolution and a depthwise 3×3 convolution that of each other: 59c parameters at a scale of 16,
    49c at 8. C then sums one depthwise convolution of each of its two inputs.

    Kernels begin as interpolation: but for the border, where zeros are padded, an untrained tail
    enlarges bilinearly. (How the published one begins is not known.)

    A container that wires stock layers.

    Args:
        config: Its scale, and whether it is depthwise.
        num_classes: Channels of the logits, 1 or more.
        name: Prefix of the layers' names.

    Input shape: `(batch, height, width, num_classes)`; output: logits float32
    `(batch, scale * height, scale * width, num_classes)`, and those of the levels before.
    """

    def __init__(self, config: TailConfig, num_classes: int, *, name: str) -> None:
        super().__init__(name=f"{name}_learned")
        self.config = config
        self.num_classes = num_classes
        self._prefix = name
        plain = range(1, min(config.levels, _FIRST_MERGED - 1) + 1)
        merged = range(_FIRST_MERGED, config.levels + 1)

        # === Layers === (flat lists: of lists within lists, Keras saves nothing)
        self.enlarge = [self._enlarge(f"level{level}") for level in plain]
        self.refine = [self._refine(f"level{level}") for level in plain]
        self.skip_enlarge = [
            self._enlarge(f"skip{level}_{number}")
            for level in merged
            for number in range(1, _SKIPPED[level] + 1)
        ]
        self.skip_refine = [self._refine(f"skip{level}") for level in merged]
        self.merge: list[keras.layers.Layer] = []
        if merged and config.depthwise:
            self.merge = [
                self._enlarge("merge"),
                self._refine("merge_skip", gain=0.5),
                self._refine("merge_level", gain=0.5, use_bias=False),
                keras.layers.Add(name=f"{name}_merge_add"),
            ]
        elif merged:
            self.merge = [
                keras.layers.Concatenate(name=f"{name}_merge_concatenate"),
                self._enlarge("merge", filters=2 * num_classes),
                self._refine("merge", gain=0.5),
            ]
        self.float_logits = keras.layers.Activation(
            "linear", dtype="float32", name=f"{name}_logits"
        )

    def _enlarge(self, part: str, filters: int | None = None) -> keras.layers.Layer:
        if self.config.depthwise:
            return keras.layers.UpSampling2D(
                2, interpolation="bilinear", name=f"{self._prefix}_{part}_up"
            )
        return keras.layers.Conv2DTranspose(
            filters or self.num_classes,
            2,
            strides=2,
            kernel_initializer=ChannelwiseKernel(_REPEAT),
            name=f"{self._prefix}_{part}_up",
        )

    def _refine(self, part: str, *, gain: float = 1.0, use_bias: bool = True) -> keras.layers.Layer:
        name = f"{self._prefix}_{part}_conv"
        if self.config.depthwise:
            return keras.layers.DepthwiseConv2D(
                3,
                padding="same",
                use_bias=use_bias,
                depthwise_initializer=ChannelwiseKernel(_SAME, gain),
                name=name,
            )
        return keras.layers.Conv2D(
            self.num_classes,
            3,
            padding="same",
            use_bias=use_bias,
            kernel_initializer=ChannelwiseKernel(_SMOOTH, gain),
            name=name,
        )

    @property
    def parameters(self) -> int:
        """How many values are trained."""
        c = self.num_classes
        merged = range(_FIRST_MERGED, self.config.levels + 1)
        doublings = [1] * len(self.enlarge) + [_SKIPPED[level] for level in merged]
        if self.config.depthwise:
            return 10 * c * len(doublings) + (19 * c if merged else 0)
        count = sum(number * (4 * c * c + c) + 9 * c * c + c for number in doublings)
        return count + (34 * c * c + 3 * c if merged else 0)

    def connect(self, logits: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Wire the tail behind `logits`.

        Returns:
            Logits of every level, those that it takes in first, each twice as large as the one
            before; the last are the tail's output.
        """
        levels = [logits]
        for enlarge, refine in zip(self.enlarge, self.refine, strict=True):
            levels.append(refine(enlarge(levels[-1])))
        unused = list(self.skip_enlarge)
        for refine in self.skip_refine:
            count = _SKIPPED[len(levels)]
            skip = logits
            for enlarge in unused[:count]:
                skip = refine(enlarge(skip))
            unused = unused[count:]
            levels.append(self._merged(skip, levels[-1]))
        return [logits, *map(self.float_logits, levels[1:])]

    def _merged(self, skip: keras.KerasTensor, level: keras.KerasTensor) -> keras.KerasTensor:
        if self.config.depthwise:
            enlarge, of_skip, of_level, add = self.merge
            return add([of_skip(enlarge(skip)), of_level(enlarge(level))])
        concatenate, enlarge, refine = self.merge
        return refine(enlarge(concatenate([skip, level])))
