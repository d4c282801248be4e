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
from deepgalaxy.inference import predictor
from deepgalaxy.loading import checked_catalogue
from deepgalaxy.networks.classifier import classifier
from deepgalaxy.spec import Engine, Mode, RunSpec, Runtime
from deepgalaxy.training.step import optimizer, train_step

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks


@dataclass
class Workload:
    """A model, its batches, and the function that is a step.

    step(images, labels) -> this rank's loss (training) or the least sure probability (inference)
    """

    model: tf.keras.Model
    batches: Batches
    input_shape: tuple[int, ...]
    gradient_bytes: int
    _function: Any
    _signature: tuple[tf.TensorSpec, ...]
    _finish: Callable[[tf.Tensor], float]

    @property
    def parameters(self) -> int:
        """Trainable and not."""
        return int(self.model.count_params())

    def trace(self) -> None:
        """Build the step's graph, so that its cost does not hide in the first step."""
        self._function = self._function.get_concrete_function(*self._signature)

    def compute_dtypes(self) -> set[str]:
        """Data types of the convolutions and matrix products in the step's graph."""
        return compute_dtypes(self._function.graph.as_graph_def())

    def step(self, images: tf.Tensor, labels: tf.Tensor) -> float:
        """One step, returning when its result is known."""
        arguments = (images, labels)[: len(self._signature)]
        return self._finish(self._function(*arguments))

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
    model = classifier(spec.backbone, spec.resolution, spec.classes)
    ranks.broadcast(model.variables)
    images = tf.TensorSpec((spec.batch_size, spec.resolution, spec.resolution, 1), tf.float32)
    labels = tf.TensorSpec((spec.batch_size,), tf.int64)
    common = {
        "model": model,
        "batches": Batches(catalogue, examples, plan, ranks.rank),
        "input_shape": tuple(images.shape),
    }
    if spec.mode is Mode.INFER:
        return Workload(
            **common,
            gradient_bytes=0,
            _function=predictor(model),
            _signature=(images,),
            _finish=lambda probabilities: float(np.max(probabilities.numpy(), axis=-1).min()),
        )
    if spec.engine is Engine.TENSORFLOW and spec.runtime is Runtime.TUNED:
        # Grappler finds nothing to gain in a training graph on stock CPU kernels (same step time,
        # several seconds more before the first); the extension's own passes run through it.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return Workload(
        **common,
        gradient_bytes=sum(v.shape.num_elements() * v.dtype.size for v in model.trainable_variables),
        _function=train_step(model, optimizer(spec.optimizer, spec.learning_rate), ranks),
        _signature=(images, labels),
        _finish=float,
    )
