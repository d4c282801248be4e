"""Ratios of two things timed in turn in the same launches, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.analysis.intervals import DRAWS, interval

Floats = NDArray[np.float64]


def time_ratio(
    launches: Sequence[tuple[Floats, Floats]], block: int, rng: np.random.Generator, draws: int = DRAWS
) -> tuple[float, float, float]:
    """Total time of the second over that of the first: how much faster the first is; and its 95% interval.

    launches: two (n,) arrays of seconds each, taken in turn in blocks of `block`. Launches are
    drawn anew, and within each its blocks, both arrays' together: what slowed the machine slowed both.
    """
    first, second = (sum(float(pair[i].sum()) for pair in launches) for i in (0, 1))
    sums = []
    for pair in launches:
        blocks = np.arange(0, len(pair[0]), block)
        totals = np.stack([np.add.reduceat(times, blocks) for times in pair])  # (2, blocks)
        chosen = rng.integers(len(blocks), size=(draws, len(blocks)))
        sums.append(totals[:, chosen].sum(axis=2))
    launch = rng.integers(len(launches), size=(draws, len(launches)))
    drawn = np.stack(sums)[launch, :, np.arange(draws)[:, None]].sum(axis=1)  # (draws, 2)
    low, high = interval(drawn[:, 1] / drawn[:, 0])
    return second / first, low, high
