"""Noise, flips and rotations of image batches: a galaxy seen from another side is the same galaxy."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from deepgalaxy.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images.

    noise: standard deviation of Gaussian noise, in units of the brightest pixel; values stay in [0, 1]
    flips: mirror left-right and top-bottom, each for half of the images
    rotations: by 0, 90, 180 or 270 degrees

    Raises
    ------
    InputError: noise below 0 or above 1
    """

    noise: float = 0.0
    flips: bool = False
    rotations: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.noise <= 1:
            raise InputError(f"noise {self.noise} is outside 0 to 1")

    def apply(self, images: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        """Images (B, H, H, 1) in [0, 1], changed by chance that depends on `key`, (2,) int64, alone."""
        if self.flips:
            images = tf.where(_half(images, key, 1), tf.reverse(images, [2]), images)
            images = tf.where(_half(images, key, 2), tf.reverse(images, [1]), images)
        if self.rotations:
            images = tf.where(_half(images, key, 3), tf.reverse(tf.transpose(images, [0, 2, 1, 3]), [1]), images)
            images = tf.where(_half(images, key, 4), tf.reverse(images, [1, 2]), images)
        if self.noise:
            noise = tf.random.stateless_normal(tf.shape(images), key + [0, 5], stddev=self.noise)
            images = tf.clip_by_value(images + noise, 0.0, 1.0)
        return images


def _half(images: tf.Tensor, key: tf.Tensor, draw: int) -> tf.Tensor:
    """True for each image with probability 1/2, (B, 1, 1, 1)."""
    return tf.random.stateless_uniform((tf.shape(images)[0], 1, 1, 1), key + [0, draw]) < 0.5
