"""Prediction: images to class probabilities in FP32 or BF16 (paper, section III.D)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.data.layout import CLASS_INTERVAL_MYR
from deepgalaxy.engine import executed_products, require_precision
from deepgalaxy.errors import InputError
from deepgalaxy.networks.deepgalaxy import Part, parts_of
from deepgalaxy.words import Precision

CREDIBLE = (0.16, 0.5, 0.84)
"""Quantiles of the predicted distribution over classes: the median, and an interval that holds 68%."""


def frozen(model: tf.keras.Model, shape: tuple[int, ...]) -> Any:
    """The classifier as one graph whose weights are constants, which TensorFlow folds into what uses them.

    Returns
    -------
    concrete function of images, float32 of `shape` (B, H, W, 1), that returns [probabilities (B, classes) float32]
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    predict = tf.function(lambda images: model(images, training=False)["classes"], autograph=False)
    return convert_variables_to_constants_v2(predict.get_concrete_function(tf.TensorSpec(shape, tf.float32)))


class FrozenClassifier:
    """A network's classifier as one graph for batches of one size, its weights constants in it, warmed up.

    Raises
    ------
    InputError: the network has no classifier
    BadResultError: the graph does not compute in `precision`
    """

    def __init__(self, model: tf.keras.Model, resolution: int, batch_size: int, precision: Precision) -> None:
        if Part.CLASSIFIER not in parts_of(model):
            raise InputError("the model has no classifier: it was trained without the loss `classes`")
        self._batch = np.zeros((batch_size, resolution, resolution, 1), np.float32)
        self._graph = frozen(model, self._batch.shape)
        with executed_products() as products:
            self(self._batch)  # the first batch is the slow one
        require_precision(precision, products)

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities (n, classes) of images (n, H, H, 1), n up to the batch size."""
        self._batch[: len(images)] = images
        (probabilities,) = self._graph(tf.constant(self._batch))
        chosen: NDArray[np.float32] = probabilities.numpy()[: len(images)]
        return chosen


class Prediction(NamedTuple):
    """What is inferred from one image.

    label, probability: the likeliest class; time_to_merge_myr: from the median of the predicted distribution
    to the last class, merged and virialised; earliest_myr, latest_myr: an interval that holds 68% of it
    """

    label: int
    probability: float
    time_to_merge_myr: float
    earliest_myr: float
    latest_myr: float


def interpret(probabilities: NDArray[np.float32]) -> Prediction:
    """A predicted distribution over classes, (classes,), as class and time."""
    last = len(probabilities) - 1
    cumulative = np.cumsum(probabilities, dtype=np.float64) / np.sum(probabilities, dtype=np.float64)
    low, median, high = (min(int(np.searchsorted(cumulative, q)), last) for q in CREDIBLE)
    times = [CLASS_INTERVAL_MYR * (last - c) for c in (median, high, low)]
    label = int(np.argmax(probabilities))
    return Prediction(label, float(probabilities[label]), *times)
