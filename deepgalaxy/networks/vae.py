"""The variational autoencoder M' -> z -> M' on flattened feature maps (paper, section II.B, Fig. 2, part 3)."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

HIDDEN = 256


@tf.keras.utils.register_keras_serializable("deepgalaxy")
class Sample(tf.keras.layers.Layer):  # type: ignore[misc]
    """Draws z from the normal distribution that the encoder gives; its mean itself when not training."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.noise = tf.keras.layers.GaussianNoise(1.0, dtype="float32")  # its state is kept as dropout's is

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor], training: bool | None = None) -> tf.Tensor:
        """mean, log variance (B, L) -> z (B, L)."""
        mean, log_variance = inputs
        if not training:
            return mean
        return mean + tf.exp(0.5 * log_variance) * self.noise(tf.zeros_like(mean), training=True)


def vae_encoder(features: tuple[int, int, int], latent: int) -> tf.keras.Model:
    """Feature maps M (B, h, w, C) -> mean and log variance of z, each (B, latent) float32."""
    maps = tf.keras.Input(features, name="features")
    x: Any = tf.keras.layers.Flatten(name="flatten")(maps)
    x = tf.keras.layers.Dense(HIDDEN, activation="relu", name="latent_hidden")(x)
    mean = tf.keras.layers.Dense(latent, dtype="float32", name="z_mean")(x)
    log_variance = tf.keras.layers.Dense(latent, dtype="float32", kernel_initializer="zeros", name="z_log_variance")(x)
    return tf.keras.Model(maps, [mean, log_variance], name="vae_encoder")


def vae_decoder(features: tuple[int, int, int], latent: int) -> tf.keras.Model:
    """Z (B, latent) -> feature maps (B, h, w, C) float32."""
    z = tf.keras.Input((latent,), name="z")
    x: Any = tf.keras.layers.Dense(HIDDEN, activation="relu", name="unlatent_hidden")(z)
    x = tf.keras.layers.Dense(math.prod(features), dtype="float32", name="unflattened")(x)
    return tf.keras.Model(z, tf.keras.layers.Reshape(features, name="features_again")(x), name="vae_decoder")
