"""What ResNet (arXiv 1512.03385) begins with."""

from __future__ import annotations

import keras

from kit.layers.bottleneck import EPSILON
from kit.layers.path_batch_normalization import PathBatchNormalization


class ResNetStem(keras.layers.Layer):
    """7×7 convolution and 3×3 maximum, both of stride 2.

    As in Keras Applications both are padded alike on all sides, where padding `"same"` would shift
    them by one pixel and published weights would see other windows than they learned on. No branch
    stands before it: there is one path.

    Args:
        filters: Output channels.
        momentum: Of the moving statistics.

    Input shape: `(batch, height, width, 3)`, height and width multiples of 4; output, 0 and above:
    `(batch, height / 4, width / 4, filters)`.
    """

    def __init__(self, filters: int = 64, *, momentum: float = 0.95) -> None:
        super().__init__(name="conv1_unit")
        self.steps = [
            keras.layers.ZeroPadding2D(3, name="conv1_pad"),
            keras.layers.Conv2D(
                filters,
                7,
                strides=2,
                use_bias=False,
                kernel_initializer="he_normal",
                name="conv1_conv",
            ),
            PathBatchNormalization(momentum=momentum, epsilon=EPSILON, name="conv1_bn"),
            keras.layers.ReLU(name="conv1_relu"),
            # Zeros are no more than what the ReLU gives, so they never are the maximum alone.
            keras.layers.ZeroPadding2D(1, name="pool1_pad"),
            keras.layers.MaxPooling2D(3, strides=2, name="pool1_pool"),
        ]

    def connect(self, x: keras.KerasTensor, path: str) -> keras.KerasTensor:
        """Wire the stem behind the image; `path` is empty, for no block stands before it."""
        for step in self.steps:
            x = step(x)
        return x
