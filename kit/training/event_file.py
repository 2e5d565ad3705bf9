"""Scalars where TensorBoard finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

from kit.errors import InputError


class EventFile:
    """An event file that TensorBoard reads; only on Keras's TensorFlow backend.

    Args:
        folder: Where the file is written, a new one for each run; made if it is not there.

    Raises:
        InputError: the backend is another one.
    """

    def __init__(self, folder: Path) -> None:
        if keras.backend.backend() != "tensorflow":
            raise InputError(
                "`tensorboard` needs TensorFlow, which writes its files; got the backend "
                f"{keras.backend.backend()} (the curves are in curves.csv all the same)"
            )
        import tensorflow as tf

        # Not `tf.summary.scalar`, which needs the package `tensorboard` for these three words.
        plugin = tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
        self._metadata = tf.compat.v1.SummaryMetadata(plugin_data=plugin, data_class=1)
        self._summary: Any = tf.summary
        self._writer: Any = tf.summary.create_file_writer(str(folder))

    def write(self, name: str, value: float, step: int) -> None:
        """Write one value.

        Args:
            name: `chart/line`, as in `miou/light`.
            value: Of the line.
            step: Epochs done.
        """
        with self._writer.as_default():
            self._summary.write(name, float(value), step=step, metadata=self._metadata)
        self._writer.flush()
