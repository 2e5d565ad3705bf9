"""Runs Keras models on images, without what TensorFlow says of it."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kit.quiet import quiet
from mobile_export.runtime.image_io import resized


def predict(model: keras.Model, images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a tier's model, on any Keras backend.

    Args:
        model: a predictor or logits model of a network.
        images: uint8 arrays `(height, width, 3)`, of any size; one batch.

    Returns:
        Each output by name, `(batch, ...)`.
    """
    outputs: dict[str, np.ndarray] = predict_any(model, images)
    return outputs


def predict_any(model: keras.Model, images: Sequence[np.ndarray]) -> Any:
    """As `predict`, for a model of any structure of outputs: a list of dictionaries, for instance.

    Args:
        model: one that takes an image.
        images: as of `predict`.
    """
    _, height, width, _ = model.inputs[0].shape
    batch = np.stack([resized(image, (height, width)) for image in images]).astype(np.float32)
    with quiet():
        outputs = model.predict_on_batch(batch)
    return keras.tree.map_structure(np.asarray, outputs)
