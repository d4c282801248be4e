"""One training step as one graph: forward, backward, gradient exchange, update."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from deepgalaxy.errors import InputError, near_names
from deepgalaxy.training.lean import LeanActivations
from deepgalaxy.training.objective import Objective, Sums
from deepgalaxy.training.randomness import Randomness

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks

OPTIMIZERS = ("Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "RMSprop", "SGD")

Step = Callable[[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor], Sums]
"""step(images (B, H, W, 1), labels (B,), label_weights (B,), image_weights (B,)): totals over this rank's batch.

Weights are 0 for images that do not count, and else such that the mean over the batch, averaged over
the ranks, is the mean over all images (`deepgalaxy.data.batches.Batch`)."""


def optimizer(name: str, learning_rate: float) -> tf.keras.optimizers.legacy.Optimizer:
    """A Keras optimizer by name, from the generation that updates each variable in one fused operation.

    Keras 2.15's newer ones spell the same update out in a dozen operations a variable: twice the
    time to trace, and several passes over memory a step.

    Raises
    ------
    InputError: unknown name
    """
    if name not in OPTIMIZERS:
        raise InputError(near_names("optimizer", name, OPTIMIZERS))
    return getattr(tf.keras.optimizers.legacy, name)(learning_rate=learning_rate)


def train_step(
    model: tf.keras.Model,
    objective: Objective,
    updates: tf.keras.optimizers.legacy.Optimizer,
    ranks: Ranks,
    *,
    seed: int,
    passes: int = 1,
    update: bool = True,
) -> Any:
    """A `tf.function`, see `Step`, that updates the model.

    Horovod sums the gradients, so that N ranks with local batch B take the step that one process would take on the
    joined batch of N x B images (but for batch normalisation, whose statistics are each rank's own). That they become
    an average is seen to where they begin: a loss divided by N costs nothing, and N-times smaller gradients a pass
    over all of them. With `passes` the batch is gone through in so many equal parts, whose gradients are added up
    before they are exchanged: it needs memory for one part only.
    Without `update` gradients are computed, and neither exchanged nor used.
    """
    variables = model.trainable_variables
    updates._create_all_weights(variables)  # inside the function it would cost a second trace
    randomness = Randomness(model, seed, ranks.rank, ranks.size)
    leaner = LeanActivations(model)
    share = 1 / (ranks.size * passes)

    def one_pass(images: tf.Tensor, labels: tf.Tensor, *weights: tf.Tensor) -> tuple[list[tf.Tensor], Sums]:
        with tf.GradientTape() as tape:
            with leaner:
                outputs = model(images, training=True)
            losses = objective.losses(outputs, images, labels)
            total = objective.total(losses, *weights)
        gradients = tape.gradient(total, variables, tf.constant(share, total.dtype))
        return gradients, objective.sums(losses, outputs, labels, *weights)

    def all_passes(*batch: tf.Tensor) -> tuple[list[tf.Tensor], Sums]:
        parts = [tf.reshape(t, (passes, t.shape[0] // passes, *t.shape[1:])) for t in batch]

        def add(i: tf.Tensor, *so_far: Any) -> tuple[Any, ...]:
            return i + 1, *tf.nest.map_structure(tf.add, list(so_far), list(one_pass(*(part[i] for part in parts))))

        start = [tf.zeros_like(v) for v in variables], {name: tf.zeros(()) for name in objective.sum_names()}
        _, gradients, sums = tf.while_loop(lambda i, *_: i < passes, add, (tf.constant(0), *start))
        return gradients, sums

    def step(images: tf.Tensor, labels: tf.Tensor, label_weights: tf.Tensor, image_weights: tf.Tensor) -> Sums:
        randomness.begin(updates.iterations)
        work = one_pass if passes == 1 else all_passes
        gradients, sums = work(images, labels, label_weights, image_weights)
        if not update:
            with tf.control_dependencies(gradients):  # nothing else uses them, and they would be left out
                return {name: tf.identity(value) for name, value in sums.items()}
        # Horovod would copy a single worker's gradients, to nobody.
        totals = ranks.sum(gradients) if ranks.size > 1 else gradients
        updates.apply_gradients(zip(totals, variables, strict=True))
        return sums

    # There is nothing to convert, and autograph takes seconds to find that out.
    return tf.function(step, autograph=False)


def evaluation_step(model: tf.keras.Model, objective: Objective) -> Any:
    """A `tf.function`, see `Step`, that leaves the model as it is."""

    def step(images: tf.Tensor, labels: tf.Tensor, label_weights: tf.Tensor, image_weights: tf.Tensor) -> Sums:
        outputs = model(images, training=False)
        losses = objective.losses(outputs, images, labels)
        return objective.sums(losses, outputs, labels, label_weights, image_weights)

    return tf.function(step, autograph=False)


def average_moving_statistics(model: tf.keras.Model, ranks: Ranks) -> None:
    """Give all ranks the mean of what batch normalisation has seen on each."""
    moving = [
        statistic
        for layer in model._flatten_layers()
        if isinstance(layer, tf.keras.layers.BatchNormalization)
        for statistic in (layer.moving_mean, layer.moving_variance)
    ]
    if moving and ranks.size > 1:
        means = ranks.total(np.concatenate([m.numpy() for m in moving]).astype(np.float64)) / ranks.size
        ends = np.cumsum([m.shape[0] for m in moving])
        for statistic, mean in zip(moving, np.split(means, ends[:-1]), strict=True):
            statistic.assign(mean.astype(np.float32))
