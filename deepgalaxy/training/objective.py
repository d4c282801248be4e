"""What training minimises: a weighted sum of named losses of the network's parts (paper, section II.B).

classes   of the classifier, over labelled images: cross-entropy, or the paper's mean squared error
images    of the autoencoder, over all images: mean squared error of the pixels
features  of the VAE, over all images: mean squared error of the feature maps it gives back
kl        of the VAE, over all images: divergence of z from the unit normal distribution, nats
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from deepgalaxy.data.layout import CLASS_INTERVAL_MYR
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.deepgalaxy import Part

PART_OF_LOSS = {"classes": Part.CLASSIFIER, "images": Part.AUTOENCODER, "features": Part.VAE, "kl": Part.VAE}

CLASSIFICATION_LOSSES = ("cross-entropy", "mse")

TOP = 5

COUNTS = ("image_count", "labelled_count")

Sums = dict[str, tf.Tensor]
"""Totals over images: of losses and scores, and how many images they are of (`COUNTS`)."""


@dataclass(frozen=True)
class Objective:
    """weights: of the losses, by name; what is left out is not computed.

    Raises
    ------
    InputError: unknown name, weight that is not positive, no weight, unknown classification loss
    """

    weights: Mapping[str, float]
    classification: str = "cross-entropy"

    def __post_init__(self) -> None:
        for name, weight in self.weights.items():
            if name not in PART_OF_LOSS:
                raise InputError(near_names("loss", name, PART_OF_LOSS))
            if not 0 < weight < math.inf:
                raise InputError(f"weight {weight} of loss {name} is not a positive number")
        if not self.weights:
            raise InputError(f"no loss to minimise; allowed: {', '.join(PART_OF_LOSS)}")
        if self.classification not in CLASSIFICATION_LOSSES:
            raise InputError(near_names("classification loss", self.classification, CLASSIFICATION_LOSSES))

    @property
    def parts(self) -> set[Part]:
        """The parts of the network that the losses are of."""
        return {PART_OF_LOSS[name] for name in self.weights}

    @property
    def shapes_encoder(self) -> bool:
        """Whether any loss reaches the encoder; the VAE's do not, as it only reads M."""
        return self.parts != {Part.VAE}

    def losses(self, outputs: Mapping[str, tf.Tensor], images: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
        """Loss of each image, (B,), by name. outputs: of the network; images (B, H, W, 1); labels (B,)."""
        compute = {"classes": self._classes, "images": _images, "features": _features, "kl": _kl}
        return {name: compute[name](outputs, images, labels) for name in self.weights}

    def total(self, losses: Mapping[str, tf.Tensor], label_weights: tf.Tensor, image_weights: tf.Tensor) -> tf.Tensor:
        """The number to minimise: the mean over the batch of all losses with all their weights."""
        return tf.add_n(
            [
                self.weights[name] * tf.reduce_mean(loss * (label_weights if name == "classes" else image_weights))
                for name, loss in losses.items()
            ]
        )

    def sums(
        self,
        losses: Mapping[str, tf.Tensor],
        outputs: Mapping[str, tf.Tensor],
        labels: tf.Tensor,
        label_weights: tf.Tensor,
        image_weights: tf.Tensor,
    ) -> Sums:
        """Totals over the images whose weight is not 0."""
        labelled, all_images = (tf.cast(w > 0, tf.float32) for w in (label_weights, image_weights))
        result = {"image_count": tf.reduce_sum(all_images), "labelled_count": tf.reduce_sum(labelled)}
        for name, loss in losses.items():
            result[name] = tf.reduce_sum(loss * (labelled if name == "classes" else all_images))
        if "classes" in losses:
            for name, score in _scores(outputs["classes"], labels).items():
                result[name] = tf.reduce_sum(score * labelled)
        return result

    def sum_names(self) -> list[str]:
        """Keys of `sums`, in order."""
        scores = [*SCORES] if "classes" in self.weights else []
        return [*COUNTS, *self.weights, *scores]

    def no_sums(self) -> dict[str, float]:
        """Totals over no image."""
        return dict.fromkeys(self.sum_names(), 0.0)

    def means(self, sums: Mapping[str, float]) -> dict[str, float]:
        """Means of losses (`<name>_loss`) and scores over their images, and the weighted `loss`."""
        count = {name: sums["labelled_count" if name in ("classes", *SCORES) else "image_count"] for name in sums}
        means = {name: sums[name] / count[name] for name in self.sum_names() if name not in COUNTS and count[name]}
        loss = sum(weight * means[name] for name, weight in self.weights.items() if name in means)
        return {"loss": loss} | {
            f"{name}_loss" if name in self.weights else name: value for name, value in means.items()
        }

    def _classes(self, outputs: Mapping[str, tf.Tensor], _: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        probabilities = outputs["classes"]
        if self.classification == "mse":
            truth = tf.one_hot(labels, probabilities.shape[-1])
            return tf.reduce_mean(tf.square(probabilities - truth), axis=-1)
        return tf.keras.losses.sparse_categorical_crossentropy(labels, probabilities)


SCORES = ("top_1", "top_5", "error_myr")
"""Share of images whose class has the highest, or is among the 5 highest probabilities; mean absolute
error in Myr of the median of the predicted distribution, the estimate whose expected error is least."""


def median_class(probabilities: tf.Tensor) -> tf.Tensor:
    """Median of each predicted distribution over classes, (B, classes) -> (B,) int64."""
    below = tf.cast(tf.cumsum(probabilities, axis=-1) < 0.5, tf.int64)
    return tf.minimum(tf.reduce_sum(below, axis=-1), probabilities.shape[-1] - 1)


def _scores(probabilities: tf.Tensor, labels: tf.Tensor) -> dict[str, tf.Tensor]:
    top = min(TOP, probabilities.shape[-1])
    off = tf.cast(tf.abs(median_class(probabilities) - labels), tf.float32)
    return {
        "top_1": tf.cast(tf.equal(tf.argmax(probabilities, axis=-1), labels), tf.float32),
        "top_5": tf.cast(tf.math.in_top_k(labels, probabilities, top), tf.float32),
        "error_myr": off * CLASS_INTERVAL_MYR,
    }


def _images(outputs: Mapping[str, tf.Tensor], images: tf.Tensor, _: Any) -> tf.Tensor:
    return tf.reduce_mean(tf.square(outputs["images"] - images), axis=(1, 2, 3))


def _features(outputs: Mapping[str, tf.Tensor], _: Any, __: Any) -> tf.Tensor:
    truth = tf.stop_gradient(tf.cast(outputs["features"], tf.float32))
    return tf.reduce_mean(tf.square(outputs["features_again"] - truth), axis=(1, 2, 3))


def _kl(outputs: Mapping[str, tf.Tensor], _: Any, __: Any) -> tf.Tensor:
    """Kingma & Welling 2014, appendix B."""
    mean, log_variance = outputs["z_mean"], outputs["z_log_variance"]
    return -0.5 * tf.reduce_sum(1 + log_variance - tf.square(mean) - tf.exp(log_variance), axis=-1)
