"""One training step as one graph: forward, backward, gradient exchange, update."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import tensorflow as tf

from deepgalaxy.errors import InputError, near_names

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks

OPTIMIZERS = ("Adadelta", "Adagrad", "Adam", "Adamax", "Ftrl", "Nadam", "RMSprop", "SGD")


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
    model: tf.keras.Model, updates: tf.keras.optimizers.legacy.Optimizer, ranks: Ranks
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """A `tf.function` of images (B, H, W, 1) and labels (B,) that returns this rank's mean loss.

    Horovod averages the gradients, so that N ranks with local batch B take the step that one
    process would take on the joined batch of N x B images.
    """
    updates._create_all_weights(model.trainable_variables)  # inside the function it would cost a second trace
    loss_of = tf.keras.losses.SparseCategoricalCrossentropy()

    def step(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        updates.apply_gradients(zip(ranks.average(gradients), model.trainable_variables, strict=True))
        return loss

    # There is nothing to convert, and autograph takes seconds to find that out.
    traced: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] = tf.function(step, autograph=False)
    return traced
