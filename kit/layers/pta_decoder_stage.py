"""Decoder stage of a U-Net (arXiv 1505.04597) whose branch is chosen after training."""

from __future__ import annotations

import keras

from kit.layers.conv_norm import ConvNorm


class PTADecoderStage(keras.layers.Layer):
    """Doubles the resolution and merges a skip connection; branches of different cost.

    - `heavy`: bilinear ×2, concatenation, two 3×3 convolutions (the plain U-Net's stage).
    - `light`: both inputs projected to `filters` channels, the deeper one at its own low
      resolution, bilinear ×2, sum, one depthwise-separable 3×3 convolution.
    - `both`: the mean of the two.
    - `skip`: the stage does not run, its deeper input is handed on; last stages only.

    PTA in the decoder extends the paper, whose blocks stand in the encoder alone: the decoder holds
    about 89 % of the multiply-adds.

    Args:
        filters: Output channels.
        can_skip: Whether `skip` is one of the choices.
        name: Prefix of the layers' names.

    Input shapes: `(batch, height, width, channels)` and `(batch, 2 height, 2 width, channels)`;
    output: `(batch, 2 height, 2 width, filters)`.
    """

    def __init__(self, filters: int, *, can_skip: bool, name: str) -> None:
        super().__init__(name=name)
        self._can_skip = can_skip
        self.upsample = keras.layers.UpSampling2D(2, interpolation="bilinear", name=f"{name}_up")
        self.concatenate = keras.layers.Concatenate(name=f"{name}_concatenate")
        self.heavy = [
            ConvNorm(filters, 3, conv_name=f"{name}_conv{i}", norm_name=f"{name}_conv{i}_BN")
            for i in (1, 2)
        ]

        def light(part: str, filters: int | None, size: int, activation: str | None) -> ConvNorm:
            return ConvNorm(
                filters,
                size,
                activation=activation,
                conv_name=f"{name}_light_{part}",
                norm_name=f"{name}_light_{part}_BN",
            )

        self.light_deep = light("deep", filters, 1, None)
        self.light_skip = light("skip", filters, 1, None)
        self.light_upsample = keras.layers.UpSampling2D(
            2, interpolation="bilinear", name=f"{name}_light_up"
        )
        self.light_add = keras.layers.Add(name=f"{name}_light_add")
        self.light_relu = keras.layers.ReLU(name=f"{name}_light_relu")
        self.light_refine = [
            light("depthwise", None, 3, None),
            light("pointwise", filters, 1, "relu"),
        ]
        self.mean = keras.layers.Average(name=f"{name}_mean")
        # Changes no value, for both branches end in ReLU. Without it the converter moves the
        # mean's factor into the convolutions behind, where a stage that begins there has it not.
        self.mean_relu = keras.layers.ReLU(name=f"{name}_mean_relu")

    @property
    def choices(self) -> tuple[str, ...]:
        """Branches that a configuration may choose."""
        return ("skip", "light", "heavy", "both") if self._can_skip else ("light", "heavy", "both")

    def connect(
        self, x: keras.KerasTensor, skip: keras.KerasTensor, branch: str, path: str
    ) -> keras.KerasTensor:
        """Wire one branch behind `x` and `skip`, which were reached by `path`."""
        if branch == "skip":
            return x
        if branch == "both":
            both = [self._heavy(x, skip, path), self._light(x, skip, path)]
            return self.mean_relu(self.mean(both))
        return self._heavy(x, skip, path) if branch == "heavy" else self._light(x, skip, path)

    def _heavy(self, x: keras.KerasTensor, skip: keras.KerasTensor, path: str) -> keras.KerasTensor:
        x = self.concatenate([self.upsample(x), skip])
        for unit in self.heavy:
            x = unit.connect(x, path)
        return x

    def _light(self, x: keras.KerasTensor, skip: keras.KerasTensor, path: str) -> keras.KerasTensor:
        deep = self.light_upsample(self.light_deep.connect(x, path))
        x = self.light_relu(self.light_add([deep, self.light_skip.connect(skip, path)]))
        for unit in self.light_refine:
            x = unit.connect(x, path)
        return x
