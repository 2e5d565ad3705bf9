"""Convolution and per-path batch normalisation, the unit of which every branch is made."""

from __future__ import annotations

from typing import Any

import keras

from kit.layers.path_batch_normalization import PathBatchNormalization


class ConvNorm(keras.layers.Layer):
    """Convolution, batch normalisation per path, optional activation.

    A container that wires stock layers: `connect` calls them one by one, so that a tier built from
    it is a flat functional graph holding exactly the layers that run.

    Args:
        filters: Output channels; `None` for a depthwise convolution.
        kernel_size: Height and width of the kernel.
        strides: 1 or 2.
        dilation: Distance of the kernel's taps; more than 1 goes with strides of 1 alone.
        activation: `"relu"`, `"relu6"` or `None`.
        conv_name: Name of the convolution.
        norm_name: Name of the batch normalisation of the first path.
        momentum: Of the moving statistics.
        epsilon: Added to the variance.
        conv: The convolution, instead of a stock one without bias.

    Input shape: `(batch, height, width, channels)`; output: spatial size divided by `strides`.
    """

    def __init__(
        self,
        filters: int | None,
        kernel_size: int,
        *,
        conv_name: str,
        norm_name: str,
        strides: int = 1,
        dilation: int = 1,
        activation: str | None = "relu",
        momentum: float = 0.95,
        epsilon: float = 1e-3,
        conv: keras.layers.Layer | None = None,
    ) -> None:
        super().__init__(name=f"{conv_name}_unit")
        options: dict[str, Any] = {
            "strides": strides,
            "dilation_rate": dilation,
            "padding": "same",
            "use_bias": False,
            "name": conv_name,
        }
        if conv is not None:
            self.conv: keras.layers.Layer = conv
        elif filters is None:
            self.conv = keras.layers.DepthwiseConv2D(
                kernel_size, depthwise_initializer="he_normal", **options
            )
        else:
            self.conv = keras.layers.Conv2D(
                filters, kernel_size, kernel_initializer="he_normal", **options
            )
        self.norms: list[PathBatchNormalization] = []
        self.paths: list[str] = []
        self.activation = (
            None
            if activation is None
            else keras.layers.Activation(activation, name=f"{conv_name}_{activation}")
        )
        self._norm_name = norm_name
        self._statistics = {"momentum": momentum, "epsilon": epsilon}

    def norm(self, path: str) -> PathBatchNormalization:
        """The batch normalisation of `path`, made when it is asked for the first time."""
        if path not in self.paths:
            suffix = f"_path{len(self.paths)}" if self.paths else ""
            self.norms.append(
                PathBatchNormalization(
                    owner=self.norms[0] if self.norms else None,
                    name=f"{self._norm_name}{suffix}",
                    **self._statistics,
                )
            )
            self.paths.append(path)
        return self.norms[self.paths.index(path)]

    def connect(self, x: keras.KerasTensor, path: str) -> keras.KerasTensor:
        """Wire the unit behind `x`, which was reached by `path` (letters of the blocks before)."""
        x = self.norm(path)(self.conv(x))
        return x if self.activation is None else self.activation(x)
