"""The classifier E -> M -> FC -> softmax (paper, section II.B, Fig. 2, part 1)."""

from __future__ import annotations

import tensorflow as tf

from deepgalaxy.networks.catalogue import BACKBONES

BATCH_NORM_MOMENTUM = 0.9  # paper, caption of Fig. 3


@tf.keras.utils.register_keras_serializable("deepgalaxy")
class FamilyInput(tf.keras.layers.Layer):  # type: ignore[misc]
    """One-channel images in [0, 1] to what a backbone family expects: three channels, its own scaling."""

    def __init__(self, family: str, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.family = family

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """(B, H, W, 1) -> (B, H, W, 3)."""
        preprocess = getattr(tf.keras.applications, self.family).preprocess_input
        return preprocess(tf.repeat(images, 3, axis=-1) * 255.0)

    def get_config(self) -> dict[str, object]:
        """What Keras needs to build the layer again."""
        return {**super().get_config(), "family": self.family}


def encoder(backbone: str, resolution: int) -> tf.keras.Model:
    """The encoder E: images (B, H, W, 1) -> feature maps M, weights drawn at random."""
    images = tf.keras.Input((resolution, resolution, 1), name="images")
    three_channels = FamilyInput(BACKBONES[backbone].module, name="family_input")(images)
    base = getattr(tf.keras.applications, backbone)(
        include_top=False, weights=None, input_shape=(resolution, resolution, 3)
    )
    for layer in base.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    return tf.keras.Model(images, base(three_channels), name="encoder")


def classifier(backbone: str, resolution: int, classes: int) -> tf.keras.Model:
    """The classifier: images (B, H, W, 1) float32 -> probabilities (B, classes) float32.

    The compute dtype follows Keras's global policy; the softmax stays float32.
    """
    e = encoder(backbone, resolution)
    pooled = tf.keras.layers.GlobalAveragePooling2D(name="pool")(e.output)
    probabilities = tf.keras.layers.Dense(classes, activation="softmax", dtype="float32", name="classes")(pooled)
    return tf.keras.Model(e.input, probabilities, name=f"classifier_{backbone}")
