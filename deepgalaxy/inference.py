"""Prediction: images to class probabilities in FP32 or BF16 (paper, section III.D)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def predictor(model: tf.keras.Model) -> Any:
    """A `tf.function` of images (B, H, W, 1) that returns probabilities (B, classes) float32."""

    def predict(images: tf.Tensor) -> tf.Tensor:
        probabilities: tf.Tensor = model(images, training=False)["classes"]
        return probabilities

    return tf.function(predict, autograph=False)
