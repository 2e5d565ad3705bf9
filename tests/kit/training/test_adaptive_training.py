"""A step of one tier moves that tier's variables and nothing else."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kit
from kit.errors import InputError
from kit.networks.presets import ADAPTIVE_UNET
from kit.training import PTASampling
from tests.kit.small import IMAGE_SIZE
from tests.kit.training.steps import Trained, numpy

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def trained() -> Trained:
    """Every tier was trained once: no momentum is zero."""
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.1)
    return Trained(optimizer, ADAPTIVE_UNET, run_eagerly=True)


@pytest.mark.parametrize("tier", ADAPTIVE_UNET)
def test_a_step_moves_exactly_the_variables_of_its_tier(trained: Trained, tier: str) -> None:
    trained.check(tier)


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.long)])
def test_compiled_steps_do_not_share_the_graph_of_the_first(backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
        "JAX_PLATFORMS": "cpu",
    }
    result = subprocess.run(
        [sys.executable, "-m", "tests.kit.training.steps", "configurations"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.count(f"{backend}: a step of") == 3


def test_distillation_adds_the_divergence_from_the_teacher(
    network: kit.AdaptiveUNet, images: np.ndarray, labels: np.ndarray
) -> None:
    student = network.resized(IMAGE_SIZE)
    prediction = log_softmax(numpy(student.tier("light")(images, training=True)))
    picked = np.take_along_axis(prediction, labels[..., None].astype("int64"), -1)

    teacher = log_softmax(numpy(student.resized(IMAGE_SIZE).tier("heavy")(images, training=True)))
    light = {id(variable) for variable in student.tier("light").variables}
    others = [variable for variable in student.variables if id(variable) not in light]
    before = [numpy(variable).copy() for variable in others]

    losses = []
    for weight in (0.0, 0.7):
        student.compile(
            optimizer=keras.optimizers.SGD(0.0),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            schedule=PTASampling(weights={"light": 1}, distillation=weight),
            run_eagerly=True,
        )
        history = student.fit(images, labels, batch_size=4, verbose=0)
        losses.append(history.history["loss"][0])
    divergence = (np.exp(teacher) * (teacher - prediction)).sum(-1).mean()
    assert divergence > 0.01
    np.testing.assert_allclose(losses[0], -picked.mean(), rtol=1e-4)
    np.testing.assert_allclose(losses[1], -picked.mean() + 0.7 * divergence, rtol=1e-4)
    # The teacher has seen the batch, but nothing of it has moved.
    for variable, value in zip(others, before, strict=True):
        np.testing.assert_array_equal(numpy(variable), value, err_msg=variable.path)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype("float64")
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def test_several_steps_an_execution_are_refused(trained: Trained) -> None:
    with pytest.raises(InputError, match=r"`steps_per_execution` must be 1.* received: 4"):
        trained.network.compile(optimizer="sgd", loss="mse", steps_per_execution=4)
