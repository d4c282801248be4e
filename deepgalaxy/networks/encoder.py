"""The encoder E: images -> feature maps M (paper, section II.B), one of many backbones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from deepgalaxy.errors import InputError, first_line
from deepgalaxy.networks.catalogue import BACKBONES, SMALL

BATCH_NORM_MOMENTUM = 0.9  # paper, caption of Fig. 3

IMAGENET = "imagenet"

SMALL_CHANNELS = (16, 32, 64, 128, 256)


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


def encoder(backbone: str, resolution: int | None, weights: str = "") -> tf.keras.Model:
    """The encoder E: images (B, H, W, 1) -> feature maps M (B, H/32, W/32, C).

    resolution: image edge, pixels; None for images of any size
    weights: drawn at random where empty, `imagenet`, or a file: Keras's weights of the backbone
        without its top (`.h5`), or a model of this suite (`.keras`), of which the encoder is taken

    Raises
    ------
    InputError: weights that can't be had, or that don't fit the backbone
    """
    images = tf.keras.Input((resolution, resolution, 1), name="images")
    if backbone == SMALL:
        model = tf.keras.Model(images, _small(images), name="encoder")
    else:
        three_channels = FamilyInput(BACKBONES[backbone].module, name="family_input")(images)
        base = _base(backbone, resolution, weights)
        model = tf.keras.Model(images, base(three_channels), name="encoder")
    if weights and weights != IMAGENET:
        _load(model, Path(weights), backbone)
    return model


def _base(backbone: str, resolution: int | None, weights: str) -> tf.keras.Model:
    """Keras's own model without its top."""
    build = getattr(tf.keras.applications, backbone)
    shape = (resolution, resolution, 3)
    try:
        base = build(include_top=False, weights=IMAGENET if weights == IMAGENET else None, input_shape=shape)
    except Exception as error:
        if weights != IMAGENET or "URL fetch failure" not in str(error):
            raise
        raise InputError(_how_to_get_imagenet(str(error), backbone)) from None
    for layer in base.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    return base


def _how_to_get_imagenet(failure: str, backbone: str) -> str:
    """One line: which file to place where. Keras names it at the end of the address that it tried."""
    address = failure.partition("failure on ")[2].split(": ")[0]
    name = address.rsplit("/", 1)[-1]
    folder = Path.home() / ".keras" / "models"
    return (
        f"ImageNet weights of {backbone} can't be downloaded here: fetch {name} elsewhere and place it in "
        f"{folder}, or name a weights file"
    )


def _load(model: tf.keras.Model, path: Path, backbone: str) -> None:
    """Put the weights of a file into an encoder."""
    if not path.is_file():
        raise InputError(f"weights {path}: no such file (allowed: a file, {IMAGENET!r}, or nothing for random ones)")
    try:
        if path.suffix == ".keras":
            source = tf.keras.models.load_model(path, compile=False)
            model.set_weights(source.get_layer("encoder").get_weights())
        else:
            model.layers[-1].load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"weights {path} don't fit {backbone}: {first_line(error)}") from None


def _small(images: Any) -> Any:
    """Five convolutions of stride 2 and five of stride 1: for tests, laptops, and first looks."""
    x = images
    for i, channels in enumerate(SMALL_CHANNELS):
        for stride in (2, 1):
            name = f"small_{i}_{stride}"
            x = tf.keras.layers.Conv2D(
                channels, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
            )(x)
            x = tf.keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_norm")(x)
            x = tf.keras.layers.ReLU(name=f"{name}_relu")(x)
    return x
