"""What a worker does in a step: training or inference of the classifier on merger images."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from deepgalaxy.data.batches import BatchPlan, split
from deepgalaxy.data.pipeline import Batches
from deepgalaxy.engine import compute_dtypes
from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.inference import frozen
from deepgalaxy.loading import checked_catalogue
from deepgalaxy.networks.cost import gradient_bytes
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.spec import Engine, Mode, RunSpec, Runtime
from deepgalaxy.training.objective import Objective
from deepgalaxy.training.randomness import own_random_state
from deepgalaxy.training.step import optimizer, train_step

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks


@dataclass
class Workload:
    """A model, its batches, and the function that is a step.

    step(images, labels, weights) -> this rank's loss (training) or the least sure probability (inference)
    """

    model: tf.keras.Model
    batches: Batches
    input_shape: tuple[int, ...]
    gradient_bytes: int
    _build: Callable[[], Any]
    _run: Callable[..., float]
    _function: Any = None

    @property
    def parameters(self) -> int:
        """Trainable and not."""
        return int(self.model.count_params())

    def trace(self) -> None:
        """Build the step's graph, so that its cost does not hide in the first step."""
        self._function = self._build()

    def compute_dtypes(self) -> set[str]:
        """Data types of the convolutions and matrix products in the step's graph."""
        return compute_dtypes(self._function.graph.as_graph_def())

    def step(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> float:
        """One step, returning when its result is known."""
        return self._run(self._function, images, labels, weights)

    def check_values(self, values: list[float]) -> None:
        """Raise when a step's result can't be right.

        Raises
        ------
        BadResultError: a loss or probability that is not finite
        """
        wrong = [i for i, value in enumerate(values) if not math.isfinite(value)]
        if wrong:
            raise BadResultError(f"step {wrong[0]} gave {values[wrong[0]]}: not a finite loss or probability")


def prepare(spec: RunSpec, ranks: Ranks) -> Workload:
    """The workload of `spec`, with the same initial weights on every rank.

    Raises
    ------
    InputError: a data file that is missing, damaged, of another resolution or too small
    """
    catalogue = checked_catalogue(spec)
    training, validation = split(catalogue, spec.seed)
    examples = training if spec.mode is Mode.TRAIN else validation
    if int(examples.label.max()) >= spec.classes:
        raise InputError(f"{spec.data} holds class {examples.label.max()}, the model has {spec.classes} classes")
    plan = BatchPlan(len(examples), spec.batch_size, spec.workers, spec.seed, drop_remainder=True)
    own_random_state()
    model = network(spec.backbone, spec.resolution, {Part.CLASSIFIER}, classes=spec.classes)
    ranks.broadcast(model.variables)
    images = tf.TensorSpec((spec.batch_size, spec.resolution, spec.resolution, 1), tf.float32)
    labels, weights = (tf.TensorSpec((spec.batch_size,), dtype) for dtype in (tf.int64, tf.float32))
    common = {
        "model": model,
        "batches": Batches(catalogue, examples, plan, ranks.rank),
        "input_shape": tuple(images.shape),
    }
    if spec.mode is Mode.INFER:
        return Workload(
            **common,
            gradient_bytes=0,
            _build=lambda: frozen(model, tuple(images.shape)),
            _run=lambda predict, images, *_: float(np.max(predict(images)[0].numpy(), axis=-1).min()),
        )
    if spec.engine is Engine.TENSORFLOW and spec.runtime is Runtime.TUNED:
        # Grappler finds nothing to gain in a training graph on stock CPU kernels (same step time,
        # several seconds more before the first); the extension's own passes run through it.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    step = train_step(
        model, Objective({"classes": 1.0}), optimizer(spec.optimizer, spec.learning_rate), ranks, seed=spec.seed
    )
    return Workload(
        **common,
        gradient_bytes=gradient_bytes(model.trainable_variables),
        _build=lambda: step.get_concrete_function(images, labels, weights, weights),
        _run=lambda update, images, labels, weights: _mean_loss(update(images, labels, weights, weights)),
    )


def _mean_loss(sums: dict[str, tf.Tensor]) -> float:
    return float(sums["classes"] / sums["labelled_count"])
