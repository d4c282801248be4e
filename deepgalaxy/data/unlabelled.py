"""Observed images beside the simulated ones: batches that hold both, the observed ones without a label."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.data.augment import Augmentation
from deepgalaxy.data.batches import TRAINING_SHARE, BatchPlan
from deepgalaxy.data.observed import Skipped, observed_images
from deepgalaxy.data.pipeline import STREAMS_PER_STEP, Batches
from deepgalaxy.errors import InputError

Joint = tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]
"""images (B, H, W, 1), labels (B,), label_weights (B,), image_weights (B,), as a training step takes them."""


def convert(source: str, resolution: int, path: Path, skipped: Callable[[Skipped], None]) -> int:
    """Read all images of a folder, or `hubble`, into one array file of (N, H, H, 1) float32; returns N.

    One image is in memory at a time, so that any number of them can be trained on.

    Raises
    ------
    InputError: nothing there, or nothing that can be read
    """
    images, most = observed_images(source, resolution, skipped)
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = path.with_suffix(".partial")
    count = 0
    with raw.open("wb") as file:
        for image in images:
            file.write(np.ascontiguousarray(image.pixels, np.float32).tobytes())
            count += 1
    if not count:
        raw.unlink()
        raise InputError(f"none of the {most} images in {source} can be read")
    raw.replace(path)
    return count


class Unlabelled(NamedTuple):
    """Observed images that wait in a file, split as the simulated ones are.

    pixels: (N, H, H, 1) float32, mapped, not in memory; training, validation: numbers of images
    """

    pixels: NDArray[np.float32]
    training: NDArray[np.int64]
    validation: NDArray[np.int64]

    @classmethod
    def mapped(cls, path: Path, resolution: int, seed: int) -> Unlabelled:
        """What `convert` wrote. A single image is on both sides."""
        pixels = np.memmap(path, np.float32, "r").reshape(-1, resolution, resolution, 1)
        order = np.random.default_rng(seed).permutation(len(pixels))
        training = max(1, round(TRAINING_SHARE * len(pixels)))
        return cls(pixels, order[:training], order[training:] if training < len(pixels) else order)

    def batches(self, plan: BatchPlan, rank: int) -> Iterator[Joint]:
        """The images for validation as an evaluating step takes them, dealt by `plan`, for one epoch."""
        for step in range(plan.steps_per_epoch):
            batch = plan.batch(step, rank)
            nothing = np.zeros(plan.batch_size, np.float32)
            pixels = self.pixels[self.validation[batch.indices]]
            yield tuple(map(tf.constant, (pixels, nothing.astype(np.int64), nothing, batch.weights)))


def labelled_only(batches: Batches) -> Iterator[Joint]:
    """Batches of labelled images as a training step takes them."""
    for images, labels, weights in batches:
        yield images, labels, weights, weights


class JointBatches:
    """Batches of `labelled` with `plan.batch_size` images of `unlabelled` more, mixed evenly over `passes`.

    Labels of the unlabelled are 0 and weigh 0. What the labelled weigh grows by what was added to the
    batch, so that the mean over the batch is still the mean over those with labels.
    """

    def __init__(
        self,
        labelled: Batches,
        unlabelled: Unlabelled,
        plan: BatchPlan,
        rank: int,
        *,
        first_step: int = 0,
        passes: int = 1,
        augmentation: Augmentation | None = None,
    ) -> None:
        def read(step: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            batch = plan.batch(int(step), rank)
            return unlabelled.pixels[unlabelled.training[batch.indices]], batch.weights

        def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels, weights = tf.numpy_function(read, [step], (tf.float32, tf.float32), stateful=False)
            pixels = tf.ensure_shape(pixels, (plan.batch_size, *unlabelled.pixels.shape[1:]))
            if augmentation:
                stream = (step * plan.workers + rank) * STREAMS_PER_STEP
                pixels = augmentation.apply(pixels, tf.stack([tf.constant(plan.seed + 1, tf.int64), stream]))
            return pixels, tf.ensure_shape(weights, (plan.batch_size,))

        def join(simulated: tuple[tf.Tensor, ...], seen: tuple[tf.Tensor, ...]) -> Joint:
            images, labels, weights = simulated
            pixels, pixel_weights = seen
            grown = (images.shape[0] + plan.batch_size) / images.shape[0]
            nothing = tf.zeros_like(pixel_weights)
            return (
                mixed(images, pixels),
                mixed(labels, tf.cast(nothing, labels.dtype)),
                mixed(weights * grown, nothing),
                mixed(weights, pixel_weights),
            )

        def mixed(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
            a, b = (tf.reshape(t, (passes, t.shape[0] // passes, *t.shape[1:])) for t in (a, b))
            return tf.reshape(tf.concat([a, b], axis=1), (-1, *a.shape[2:]))

        observed_ones = tf.data.Dataset.counter(first_step).map(load)
        self._labelled = labelled
        self._joined = tf.data.Dataset.zip((labelled.dataset, observed_ones)).map(join).prefetch(1)

    def __iter__(self) -> Iterator[Joint]:
        return self._labelled.translated(self._joined)
