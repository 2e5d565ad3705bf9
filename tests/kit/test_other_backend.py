"""What the kit does on one backend it does on the other."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILES = (
    "test_losses.py",
    "test_metrics.py",
    "data/test_batches.py",
    "layers/test_confidence.py",
    "layers/test_csc_block.py",
    "layers/test_tail.py",
    "quantization/test_fake_quant_activation.py",
    "quantization/test_fake_quant_conv.py",
    "quantization/test_halving.py",
    "quantization/test_integer_activation.py",
    "quantization/test_integer_conv.py",
    "quantization/test_integer_sgd.py",
    "quantization/test_l1_norm.py",
    "quantization/test_low_bit_activation.py",
    "quantization/test_low_bit_conv.py",
    "quantization/test_low_bits.py",
    "quantization/test_rounded_error.py",
    "quantization/test_uniform.py",
    "search/test_exit_policy.py",
    "slimming/test_shrinking.py",
    "training/test_filtered_distillation.py",
)

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="jax is not installed"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="this is the other backend"),
]


def on_jax(*command: str) -> str:
    """Standard output of a Python module that runs on JAX."""
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        # What is compiled runs once or twice.
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
    }
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    return done.stdout


def test_losses_metrics_batches_and_exit_policies_on_jax() -> None:
    """The tests of `FILES` pass on JAX too."""
    options = ("-q", "-x", "-p", "no:cacheprovider")
    assert " passed" in on_jax("pytest", *options, *(str(HERE / name) for name in FILES))


def test_both_stages_of_a_network_with_exits_on_jax() -> None:
    """A step of each moves its own variables alone."""
    assert on_jax("tests.kit.training.steps", "exits").count("jax: stage") == 2
