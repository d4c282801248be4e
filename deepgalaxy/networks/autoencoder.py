"""The decoder D of the fully convolutional autoencoder E -> M -> D (paper, section II.B, Fig. 2, part 1)."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from deepgalaxy.networks.encoder import BATCH_NORM_MOMENTUM

DECODER_CHANNELS = (128, 64, 32, 16, 16)


@tf.keras.utils.register_keras_serializable("deepgalaxy")
class LikeImages(tf.keras.layers.Layer):  # type: ignore[misc]
    """Brings a decoded image to the size of the one it was encoded from, where that is no multiple of 32."""

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Decoded (B, h, w, 1), images (B, H, W, 1) -> (B, H, W, 1)."""
        decoded, images = inputs
        if decoded.shape[1:3].is_fully_defined() and decoded.shape[1:3] == images.shape[1:3]:
            return decoded
        return tf.image.resize(decoded, tf.shape(images)[1:3])


def decoder(channels: int) -> tf.keras.Model:
    """Feature maps M (B, h, w, channels) -> images (B, 32 h, 32 w, 1) float32 in [0, 1], for any h and w.

    Five times: twice the size by interpolation, then a convolution, which leaves no checkerboard
    as transposed convolutions do (Odena et al. 2016).
    """
    maps = tf.keras.Input((None, None, channels), name="features")
    x: Any = maps
    for i, width in enumerate(DECODER_CHANNELS):
        x = tf.keras.layers.UpSampling2D(2, interpolation="bilinear", name=f"up_{i}")(x)
        x = tf.keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"decode_{i}")(x)
        x = tf.keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"decode_{i}_norm")(x)
        x = tf.keras.layers.ReLU(name=f"decode_{i}_relu")(x)
    pixels = tf.keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid", dtype="float32", name="pixels")(x)
    return tf.keras.Model(maps, pixels, name="decoder")
