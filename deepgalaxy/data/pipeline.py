"""The input pipeline: HDF5 -> batches of (images, labels), read while the previous step computes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h5py
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.data.batches import BatchPlan, Examples
from deepgalaxy.data.layout import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

PREFETCHED_BATCHES = 2


def batches(
    catalogue: Catalogue, examples: Examples, plan: BatchPlan, rank: int, first_step: int = 0
) -> tf.data.Dataset:
    """Batches of `rank` from `first_step` on, without end.

    Yields
    ------
    images (B, H, W, 1) float32 in [0, 1] and labels (B,) int64
    """
    read = _reader(catalogue, examples)
    shape = (plan.batch_size, catalogue.resolution, catalogue.resolution, 1)

    def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.numpy_function(
            lambda s: read(plan.indices(int(s), rank)), [step], (tf.float32, tf.int64), stateful=False
        )
        return tf.ensure_shape(images, shape), tf.ensure_shape(labels, shape[:1])

    options = tf.data.Options()
    options.autotune.enabled = False  # one reader and two batches ahead: no tuning thread beside the ranks
    options.threading.private_threadpool_size = 1
    return (
        tf.data.Dataset.counter(first_step)
        .map(load, num_parallel_calls=1, deterministic=True)
        .prefetch(PREFETCHED_BATCHES)
        .with_options(options)
    )


def _reader(
    catalogue: Catalogue, examples: Examples
) -> Callable[[NDArray[np.int64]], tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """A function that reads chosen examples; the file stays open, no more than a batch is in memory."""
    file = h5py.File(catalogue.path, "r")
    datasets = [file[s.dataset] for s in catalogue.sequences]
    scale = 1.0 / 255.0 if catalogue.dtype == np.uint8 else 1.0

    def read(chosen: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        images = np.empty((len(chosen), catalogue.resolution, catalogue.resolution, 1), np.float32)
        for row, i in enumerate(chosen):
            images[row] = datasets[examples.sequence[i]][examples.frame[i]]
        return images * np.float32(scale) if scale != 1.0 else images, examples.label[chosen]

    return read
