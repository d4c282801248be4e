"""Dropout and sampling as functions of seed, step and rank: a resumed run draws what it would have drawn."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def own_random_state() -> None:
    """Have the random layers of models built from here on keep their state where it can be set."""
    tf.keras.backend.experimental.enable_tf_random_generator()


class Randomness:
    """The random layers of a model, begun anew at every step.

    Each layer has a key of its own, each rank and step a stretch of the Philox counter. (ConvNeXt's
    stochastic depth draws from TensorFlow's global state instead, and is left out.)
    """

    def __init__(self, model: tf.keras.Model, seed: int, rank: int, size: int) -> None:
        found = [getattr(layer, "_random_generator", None) for layer in model._flatten_layers()]
        self._generators = []
        for generator in found:
            if generator is not None:
                generator._maybe_init()
                if generator._generator is not None:  # else of a layer built before `own_random_state`
                    self._generators.append(generator._generator)
        self._keys = np.random.default_rng(seed).integers(2**62, size=len(self._generators))
        self._rank, self._size = rank, size

    def begin(self, step: tf.Tensor) -> None:
        """Set all layers to what they draw at `step`, int64; inside a graph as well."""
        for generator, key in zip(self._generators, self._keys, strict=True):
            stretch = step * self._size + self._rank
            generator.reset_from_key_counter(tf.constant(key, tf.int64), tf.stack([tf.zeros_like(stretch), stretch]))
