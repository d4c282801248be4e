"""Rules that guess an image's class without a network, to compare a classifier with: always the median class,
and the class of the nearest training image in pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.data.batches import Examples
from deepgalaxy.data.layout import CLASS_INTERVAL_MYR, Catalogue
from deepgalaxy.data.pixels import coarse_pixels
from deepgalaxy.data.reader import Reader

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
        self._neighbours.fit(_read_coarse(catalogue, training))

    def score(self, tested: Examples) -> Score:
        """Guess the class of the nearest; its five nearest stand for the five likeliest."""
        nearest = self._neighbours.kneighbors(_read_coarse(self._catalogue, tested), return_distance=False)
        classes = self._label[nearest]
        return _score(tested.label, classes[:, 0], classes)


def _score(truth: NDArray[np.int64], guess: NDArray[np.int64], five: NDArray[np.int64]) -> Score:
    return Score(
        images=len(truth),
        top_1=float(np.mean(guess == truth)),
        top_5=float(np.mean(np.any(five == truth[:, None], axis=1))),
        error_myr=float(np.mean(np.abs(guess - truth)) * CLASS_INTERVAL_MYR),
    )


def _read_coarse(catalogue: Catalogue, examples: Examples) -> NDArray[np.float32]:
    """Averaged pixels of all examples, (N, p), read a few at a time."""
    reader = Reader(catalogue, examples)
    starts = range(0, len(examples), READ_AT_ONCE)
    chosen = (np.arange(start, min(start + READ_AT_ONCE, len(examples))) for start in starts)
    return np.concatenate([coarse_pixels(reader.read(numbers)) for numbers in chosen])
