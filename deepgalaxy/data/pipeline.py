"""The input pipeline: HDF5 -> batches of images, labels and weights, read while the previous step computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.data.augment import Augmentation
from deepgalaxy.data.batches import BatchPlan, Examples
from deepgalaxy.data.layout import Catalogue
from deepgalaxy.data.reader import Reader
from deepgalaxy.errors import InputError

PREFETCHED_BATCHES = 2

STREAMS_PER_STEP = 16
"""Random streams that a step of a rank may draw from."""


class Batches:
    """Batches of one rank from `first_step` on, without end; `dataset` is the same for Keras.

    Yields
    ------
    images (B, H, H, 1) float32 in [0, 1], labels (B,) int64, weights (B,) float32, see `batches.Batch`

    Raises
    ------
    InputError: from the iterator, an image that can't be read or is not finite; says which
    """

    def __init__(
        self,
        catalogue: Catalogue,
        examples: Examples,
        plan: BatchPlan,
        rank: int,
        first_step: int = 0,
        augmentation: Augmentation | None = None,
    ) -> None:
        self._reader = Reader(catalogue, examples)
        self._labels = examples.label
        self._plan, self._rank = plan, rank
        self._failure: InputError | None = None
        shape = (plan.batch_size, catalogue.resolution, catalogue.resolution, 1)

        def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            images, labels, weights = tf.numpy_function(
                self._load, [step], (tf.float32, tf.int64, tf.float32), stateful=False
            )
            images = tf.ensure_shape(images, shape)
            if augmentation:
                stream = (step * plan.workers + rank) * STREAMS_PER_STEP
                images = augmentation.apply(images, tf.stack([tf.constant(plan.seed, tf.int64), stream]))
            return images, tf.ensure_shape(labels, shape[:1]), tf.ensure_shape(weights, shape[:1])

        options = tf.data.Options()
        options.autotune.enabled = False  # one reader and two batches ahead: no tuning thread beside the ranks
        options.threading.private_threadpool_size = 1
        self.dataset = (
            tf.data.Dataset.counter(first_step)
            .map(load, num_parallel_calls=1, deterministic=True)
            .prefetch(PREFETCHED_BATCHES)
            .with_options(options)
        )

    def __iter__(self) -> Iterator[tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        return self.translated(self.dataset)

    def translated(self, dataset: tf.data.Dataset) -> Iterator[Any]:
        """What `dataset` yields, made of these batches; an image that can't be read ends it with its own error."""
        batches = iter(dataset)
        while True:
            try:
                batch = next(batches)
            except tf.errors.OpError:
                if self._failure is None:
                    raise
                raise self._failure from None
            yield batch

    def _load(self, step: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        batch = self._plan.batch(int(step), self._rank)
        try:
            images = self._reader.read(batch.indices)
        except InputError as failure:
            self._failure = failure  # TensorFlow would pass on its text alone
            raise
        return images, self._labels[batch.indices], batch.weights
