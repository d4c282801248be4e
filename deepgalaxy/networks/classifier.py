"""The head of the classifier E -> M -> FC -> softmax (paper, section II.B, Fig. 2, parts 1 and 2)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def head(features: tuple[int | None, int | None, int], classes: int) -> tf.keras.Model:
    """Feature maps M (B, h, w, C) -> probabilities (B, classes) float32.

    M is averaged over its cells, which makes the head independent of the resolution. The softmax
    stays float32 in every precision.
    """
    maps = tf.keras.Input(features, name="features")
    x: Any = tf.keras.layers.GlobalAveragePooling2D(name="pool")(maps)
    probabilities = tf.keras.layers.Dense(classes, activation="softmax", dtype="float32", name="classes")(x)
    return tf.keras.Model(maps, probabilities, name="head")
