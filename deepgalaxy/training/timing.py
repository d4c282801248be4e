"""Measure a training step's profile: how long its passes take, and when in the backward pass each gradient is ready."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.networks.catalogue import CLASSES
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.profile import ComputeProfile, GradientReady
from deepgalaxy.training.objective import Objective

WARMUP_STEPS = 2


def measure_profile(backbone: str, resolution: int, batch_size: int, steps: int) -> ComputeProfile:
    """Time `steps` forward and backward passes of the classifier on random images, on this process's cores.

    A clock is read behind every gradient, as soon as it has been computed, in the very steps that are timed. The
    readiness of each is its mean over the steps. Nothing is exchanged, and no weights are updated.
    """
    tf.config.threading.set_inter_op_parallelism_threads(2)  # one computes, the other reads the clocks
    # TensorFlow's optimizer of graphs would find that a clock has nothing to wait for.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    model = network(backbone, resolution, {Part.CLASSIFIER}, classes=CLASSES)
    variables = model.trainable_variables
    clocked = _clocked_step(model, variables)
    rng = np.random.default_rng(0)
    images = tf.constant(rng.random((batch_size, resolution, resolution, 1), dtype=np.float32))
    labels = tf.constant(rng.integers(0, CLASSES, batch_size))
    times = np.array([clocked(images, labels).numpy() for _ in range(WARMUP_STEPS + steps)])[WARMUP_STEPS:]
    forward, ready = times[:, 1] - times[:, 0], times[:, 2:] - times[:, 1:2]
    whole = times.max(axis=1) - times[:, 0]
    order = np.argsort(ready.mean(axis=0), kind="stable")
    elements = [int(np.prod(v.shape)) for v in variables]
    gradients = [GradientReady(elements=elements[i], ready_s=_rounded(ready[:, i].mean())) for i in order]
    return ComputeProfile(
        backbone=backbone,
        resolution=resolution,
        batch_size=batch_size,
        forward_s=_rounded(forward.mean()),
        backward_s=_rounded(ready.max(axis=1).mean()),
        step_jitter=[round(float(t), 4) for t in whole / whole.mean()],
        gradients=gradients,
    )


def _clocked_step(model: tf.keras.Model, variables: list[tf.Variable]) -> Any:
    """step(images, labels) -> (2 + variables,) seconds: begin, end of the forward pass, and each gradient's end."""
    objective = Objective({"classes": 1.0})

    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        ones = tf.ones_like(labels, tf.float32)
        began = tf.timestamp()
        with tf.control_dependencies([began]), tf.GradientTape() as tape:
            outputs = model(tf.identity(images), training=True)
            total = objective.total(objective.losses(outputs, images, labels), ones, ones)
        after_forward = _when(total)
        # TensorFlow reads clocks in the order in which they stand here, so the gradients' is about that of the
        # backward pass, last layer first.
        ready = [_when(gradient) for gradient in reversed(tape.gradient(total, variables))]
        return tf.stack([began, after_forward, *reversed(ready)])

    return tf.function(step, autograph=False)


def _when(tensor: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tensor]):
        return tf.timestamp()


def _rounded(seconds: NDArray[np.float64] | float) -> float:
    """To microseconds: more is noise."""
    return round(float(seconds), 6)
