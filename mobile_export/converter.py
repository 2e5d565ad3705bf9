"""From frozen tiers to one `.tflite`, in 8-bit integers or, to compare with, in float32."""

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import mlir_quantize
from tqdm import tqdm

from kit.quiet import quiet
from mobile_export.bias_correction import corrected
from mobile_export.calibration import record, with_ranges
from mobile_export.packing import pack
from mobile_export.runtime.image_io import resized
from mobile_export.runtime.standard_error import diverted
from mobile_export.signatures import FrozenGraph, FrozenTier, save
from mobile_export.state_scales import pinned
from mobile_export.states import joined
from mobile_export.whole_kernels import with_whole_kernels


class ConversionError(RuntimeError):
    """The converter refused a network; the message ends with what it said."""


def convert_int8(
    tiers: Sequence[FrozenTier],
    images: Sequence[np.ndarray],
    *,
    trained: bool = False,
    kernels: Sequence[np.ndarray] = (),
    threads: int | None = None,
) -> bytes:
    """Converts tiers to one model in 8-bit integers.

    Weights are quantized per output channel, activations per tensor, to the range that they take on
    the images; biases make up for the mean error of the weights. Every signature is calibrated on
    every image.

    Args:
        tiers: tiers and stages that were frozen for integers; the file lists their signatures in
            this order. A stage stands behind the one before it.
        images: uint8 arrays `(height, width, 3)`, RGB, of any size: what the device will see.
        trained: whether the network was trained in 8 bits: its ranges are taken as it holds them,
            and its biases as they are, for they have made up for rounding already.
        kernels: those that were trained as integers, as `whole_kernels` gives them.
        threads: CPU threads of the calibration. Defaults to the cores.

    Returns:
        A `.tflite` with a signature for each tier, uint8 at every input and output.

    Raises:
        ConversionError: the network holds something that LiteRT cannot run in integers.
    """
    inputs = {
        size: [resized(image, size) for image in images]
        for size in {tier.input_size for tier in tiers}
    }
    # Shown at once: the first part, in which the converter says nothing, is the longest.
    with tqdm(total=3, desc="convert", unit="part", disable=None) as bar:
        with _saved_model(tiers) as converter, _quiet():
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = lambda: (
                (tier.name, _any_inputs(tier, inputs[tier.input_size][0])) for tier in tiers
            )
            # The float model, prepared for quantization, with the ranges of one image.
            converter._experimental_calibrate_only = True
            prepared = converter.convert()
        bar.update()
        after = {tier.name: tier.after for tier in tiers if tier.after is not None}
        statistics = record(
            prepared,
            {tier.name: inputs[tier.input_size] for tier in tiers if tier.after is None},
            after,
            threads=threads,
        )
        configurations = {tier.name: tier.tier.final.name for tier in tiers}
        rounded = pinned(
            with_ranges(prepared, statistics.ranges), after, configurations, statistics.ranges
        )
        with _quiet():
            model = mlir_quantize(
                rounded,
                input_data_type=tf.uint8,
                output_data_type=tf.uint8,
            )
        bar.update()
        if not trained:
            model = corrected(model, prepared, statistics)
        if kernels:
            model = with_whole_kernels(model, kernels)
        model = joined(model, after)
        bar.update()
        return pack(model, [tier.name for tier in tiers])


def convert_float32(tiers: Sequence[FrozenTier]) -> bytes:
    """Converts tiers to one model in float32, to compare latency and quality with.

    Args:
        tiers: tiers that were frozen with `quantized=False`.

    Returns:
        A `.tflite` with a signature for each tier; `image` is float32, 0-255.

    Raises:
        ConversionError: the network holds something that LiteRT cannot run.
    """
    with _saved_model(tiers) as converter, _quiet():
        return pack(converter.convert(), [tier.name for tier in tiers])


def convert_for_timing(graphs: Sequence[FrozenGraph]) -> bytes:
    """Converts graphs to 8-bit integers of any scale, to be timed: how long they take is right.

    Args:
        graphs: what was frozen for integers.

    Returns:
        A `.tflite` with a signature for each graph, int8 at every input and output.

    Raises:
        ConversionError: a graph holds something that LiteRT cannot run in integers.
    """
    rng = np.random.default_rng(0)

    def inputs(graph: FrozenGraph) -> dict[str, np.ndarray]:
        return {
            name: rng.random(shape, np.float32) * (255 if name == "image" else 1)
            for name, shape in graph.inputs.items()
        }

    with _saved_model(graphs) as converter, _quiet():
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter.representative_dataset = lambda: ((graph.name, inputs(graph)) for graph in graphs)
        return pack(converter.convert(), [graph.name for graph in graphs])


def _any_inputs(tier: FrozenTier, image: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs of the right shapes: what the converter finds out of them is replaced."""
    if tier.after is None:
        return {"image": image[None].astype(np.float32)}
    return {name: np.ones(shape, np.float32) for name, shape in tier.inputs.items()}


@contextmanager
def _saved_model(
    tiers: Sequence[FrozenTier | FrozenGraph],
) -> Iterator[tf.lite.TFLiteConverter]:
    """A converter over a SavedModel of the tiers that lasts as long as the block."""
    with tempfile.TemporaryDirectory() as folder:
        with _quiet():
            save(tiers, folder)
        yield tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[tier.name for tier in tiers]
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what TensorFlow says off standard error, and quotes its end if it fails."""
    with diverted(), warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            lines = [line for line in str(error).splitlines() if "error:" in line]
            reason = lines[0].strip() if lines else str(error)
            raise ConversionError(f"the converter refused the network: {reason}") from error
