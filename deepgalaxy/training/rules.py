"""Rules that guess an image's class without a network, to compare a classifier with: always the median class,
and the class of the nearest training image in pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.data.batches import Examples
from deepgalaxy.data.layout import CLASS_INTERVAL_MYR, Catalogue
from deepgalaxy.data.reader import Reader

PIXELS_COMPARED = 32
"""Edge that images are averaged down to before pixels are compared: finer ones would fill the memory."""

READ_AT_ONCE = 256


class Score(NamedTuple):
    """How well a rule guesses: shares of images, and mean absolute error in Myr."""

    images: int
    top_1: float
    top_5: float
    error_myr: float


def median_rule(training: Examples, tested: Examples) -> Score:
    """Always the median class of the training images, and for the five likeliest the five around it."""
    guess = int(np.median(training.label))
    return _score(tested.label, np.full(len(tested), guess), np.tile(np.arange(guess - 2, guess + 3), (len(tested), 1)))


class NearestPixels:
    """The classes of the nearest training images in pixels (Euclidean distance)."""

    def __init__(self, catalogue: Catalogue, training: Examples) -> None:
        from sklearn.neighbors import NearestNeighbors

        self._catalogue, self._label = catalogue, training.label
        self._neighbours = NearestNeighbors(n_neighbors=min(5, len(training)), algorithm="brute")
        self._neighbours.fit(_coarse_pixels(catalogue, training))

    def score(self, tested: Examples) -> Score:
        """Guess the class of the nearest; its five nearest stand for the five likeliest."""
        nearest = self._neighbours.kneighbors(_coarse_pixels(self._catalogue, tested), return_distance=False)
        classes = self._label[nearest]
        return _score(tested.label, classes[:, 0], classes)


def _score(truth: NDArray[np.int64], guess: NDArray[np.int64], five: NDArray[np.int64]) -> Score:
    return Score(
        images=len(truth),
        top_1=float(np.mean(guess == truth)),
        top_5=float(np.mean(np.any(five == truth[:, None], axis=1))),
        error_myr=float(np.mean(np.abs(guess - truth)) * CLASS_INTERVAL_MYR),
    )


def _coarse_pixels(catalogue: Catalogue, examples: Examples) -> NDArray[np.float32]:
    """(N, p) of averaged pixels, read a few at a time."""
    reader = Reader(catalogue, examples)
    block = max(1, catalogue.resolution // PIXELS_COMPARED)
    edge = catalogue.resolution // block
    coarse = np.empty((len(examples), edge * edge), np.float32)
    for start in range(0, len(examples), READ_AT_ONCE):
        images = reader.read(np.arange(start, min(start + READ_AT_ONCE, len(examples))))
        cut = images[:, : edge * block, : edge * block, 0].reshape(len(images), edge, block, edge, block)
        coarse[start : start + len(images)] = cut.mean(axis=(2, 4)).reshape(len(images), -1)
    return coarse
