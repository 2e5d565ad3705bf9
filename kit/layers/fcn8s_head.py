"""FCN-8s's head: scores at three strides, merged while they are enlarged."""

from __future__ import annotations

import keras

from kit.layers.bilinear_kernel import BilinearKernel


class FCN8sHead(keras.layers.Layer):
    """Scores of the deepest features, enlarged twice by 2 and once by 8, skips added between.

    Transposed convolutions that begin as bilinear interpolation and are trained. Scores of the
    skips begin at zero, so that training begins as FCN-32s.

    Args:
        num_classes: Classes.
        name: Prefix of the layers' names.

    Input: features of stride 8, 16 and 32; output: logits float32
    `(batch, height, width, num_classes)` of the image.

    Reference:
        Long et al., Fully Convolutional Networks for Semantic Segmentation, arXiv 1411.4038.
    """

    def __init__(self, num_classes: int, *, name: str) -> None:
        super().__init__(name=f"{name}_head")

        def score(part: str, initializer: str) -> keras.layers.Layer:
            return keras.layers.Conv2D(
                num_classes, 1, kernel_initializer=initializer, name=f"{name}_score_{part}"
            )

        def enlarge(part: str, scale: int) -> keras.layers.Layer:
            return keras.layers.Conv2DTranspose(
                num_classes,
                2 * scale,
                strides=scale,
                padding="same",
                use_bias=False,
                kernel_initializer=BilinearKernel(),
                name=f"{name}_upscore_{part}",
            )

        self.score = score("fc7", "he_normal")
        self.skips = [score("pool4", "zeros"), score("pool3", "zeros")]
        self.enlarge = [enlarge("pool4", 2), enlarge("pool3", 2), enlarge("image", 8)]
        self.adds = [keras.layers.Add(name=f"{name}_add_{part}") for part in ("pool4", "pool3")]
        self.float_logits = keras.layers.Activation(
            "linear", dtype="float32", name=f"{name}_logits"
        )

    def connect(
        self, pool3: keras.KerasTensor, pool4: keras.KerasTensor, x: keras.KerasTensor
    ) -> keras.KerasTensor:
        """Wire the head behind features of stride 8, 16 and 32."""
        x = self.score(x)
        skips = zip(self.skips, (pool4, pool3), self.enlarge[:2], self.adds, strict=True)
        for skip, features, enlarge, add in skips:
            x = add([enlarge(x), skip(features)])
        return self.float_logits(self.enlarge[2](x))
