"""The whole network: classifier, autoencoder and VAE on one encoder (paper, Fig. 2).

A functional Keras model of named parts. Its outputs are a dictionary:

  classes       (B, classes)  probabilities
  features      (B, h, w, C)  feature maps M
  images        (B, H, W, 1)  reconstruction by the autoencoder
  z_mean, z_log_variance  (B, L)  where the VAE puts an image in latent space
  features_again  (B, h, w, C)  feature maps that the VAE gives back

Saved and loaded in Keras's own format; its parts are had by `part`.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from pathlib import Path
from typing import Any

import tensorflow as tf

from deepgalaxy.errors import InputError, first_line
from deepgalaxy.networks.autoencoder import LikeImages, decoder
from deepgalaxy.networks.catalogue import CLASSES
from deepgalaxy.networks.classifier import head
from deepgalaxy.networks.encoder import encoder
from deepgalaxy.networks.nested import known_outputs
from deepgalaxy.networks.vae import Sample, vae_decoder, vae_encoder

NAME_PREFIX = "deepgalaxy_"
"""Of a network's name; its backbone's follows."""


class Part(str, enum.Enum):
    """What is trained on the encoder, alone or together."""

    CLASSIFIER = "classifier"
    AUTOENCODER = "autoencoder"
    VAE = "vae"


@tf.keras.utils.register_keras_serializable("deepgalaxy")
class Detached(tf.keras.layers.Layer):  # type: ignore[misc]
    """Passes its input on and no gradient back."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The same tensor, as a constant."""
        return tf.stop_gradient(inputs)


def network(
    backbone: str,
    resolution: int | None,
    parts: Collection[Part],
    *,
    classes: int,
    latent: int = 16,
    weights: str = "",
) -> tf.keras.Model:
    """The network with the parts that are asked for.

    resolution: None for any size, which the VAE, whose layers are fully connected, does not allow
    latent: length of z; weights: as in `encoder`

    The VAE reads M and does not shape it: it would shrink M, which is then the easier to give back.

    Raises
    ------
    InputError: no part, or the VAE without a resolution
    """
    if not parts:
        raise InputError(f"no part of the network was asked for; allowed: {', '.join(p.value for p in Part)}")
    if Part.VAE in parts and resolution is None:
        raise InputError("the VAE's layers are fully connected: it needs a resolution")
    with known_outputs():
        return _assembled(backbone, resolution, parts, classes, latent, encoder(backbone, resolution, weights))


def _assembled(
    backbone: str, resolution: int | None, parts: Collection[Part], classes: int, latent: int, e: tf.keras.Model
) -> tf.keras.Model:
    images = tf.keras.Input((resolution, resolution, 1), name="images")
    features = e(images)
    outputs: dict[str, Any] = {"features": features}
    shape = tuple(e.output_shape[1:])
    if Part.CLASSIFIER in parts:
        outputs["classes"] = head(shape, classes)(features)
    if Part.AUTOENCODER in parts:
        outputs["images"] = LikeImages(dtype="float32", name="like_images")([decoder(shape[-1])(features), images])
    if Part.VAE in parts:
        mean, log_variance = vae_encoder(shape, latent)(Detached(name="detached")(features))
        z = Sample(dtype="float32", name="z")([mean, log_variance])
        outputs |= {"z_mean": mean, "z_log_variance": log_variance, "features_again": vae_decoder(shape, latent)(z)}
    return tf.keras.Model(images, outputs, name=NAME_PREFIX + backbone)


def in_global_precision(model: tf.keras.Model) -> tf.keras.Model:
    """The same network, computing in the precision of Keras's global policy; a saved one keeps its own."""
    if tf.keras.mixed_precision.global_policy().compute_dtype == "float32":
        return model
    outputs = model.output_shape
    again = network(
        model.name.removeprefix(NAME_PREFIX),
        model.input_shape[1],
        parts_of(model),
        classes=outputs["classes"][-1] if "classes" in outputs else CLASSES,
        latent=outputs["z_mean"][-1] if "z_mean" in outputs else 16,
    )
    again.set_weights(model.get_weights())
    return again


def parts_of(model: tf.keras.Model) -> set[Part]:
    """The parts that a network has."""
    names = {layer.name for layer in model.layers}
    return {
        part
        for part, layer in ((Part.CLASSIFIER, "head"), (Part.AUTOENCODER, "decoder"), (Part.VAE, "vae_encoder"))
        if layer in names
    }


def load_network(path: Path) -> tf.keras.Model:
    """A network that was saved with `model.save`.

    Raises
    ------
    InputError: missing, damaged, or another model
    """
    if not path.is_file():
        raise InputError(f"model {path} does not exist")
    try:
        model = tf.keras.models.load_model(path, compile=False)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise InputError(f"model {path} can't be read: {first_line(error)}") from None
    if not any(layer.name == "encoder" for layer in model.layers):
        raise InputError(f"model {path} is not one of this suite: it has no encoder")
    return model
