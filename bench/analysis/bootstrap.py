"""Intervals by hierarchical bootstrap: launches are drawn anew, and within each its steps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

DRAWS = 2000
LEVEL = 0.95


def throughput(step_times_s: Floats, images_per_step: int) -> float:
    """Images of all ranks per second of the slowest rank over the same steps.

    step_times_s: (ranks, steps), seconds; images_per_step: of all ranks together
    """
    return float(images_per_step * step_times_s.shape[1] / step_times_s.sum(axis=1).max())


def mean_throughput(launches: Sequence[Floats], images_per_step: int) -> float:
    """That of the mean step over launches, one (ranks, steps) array each."""
    return float(1 / np.mean([1 / throughput(steps, images_per_step) for steps in launches]))


def throughput_draws(
    launches: Sequence[Floats], images_per_step: int, rng: np.random.Generator, draws: int = DRAWS
) -> Floats:
    """Bootstrap draws of the mean step's throughput over launches, (draws,).

    launches: one (ranks, steps) array each. Steps are drawn in blocks, the same ones for all
    ranks, because neighbouring steps resemble each other and ranks wait for one another.
    """
    by_launch = [_launch_draws(steps, images_per_step, rng, draws) for steps in launches]
    chosen = rng.integers(len(launches), size=(draws, len(launches)))
    stacked = np.stack(by_launch)  # (launches, draws)
    seconds = 1.0 / stacked[chosen, np.arange(draws)[:, None]]
    result: Floats = 1.0 / seconds.mean(axis=1)
    return result


def interval(draws: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of bootstrap draws."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _launch_draws(steps: Floats, images_per_step: int, rng: np.random.Generator, draws: int) -> Floats:
    n = steps.shape[1]
    block = max(1, round(n ** (1 / 3)))
    blocks = -(-n // block)
    starts = rng.integers(n, size=(draws, blocks))
    index = (starts[..., None] + np.arange(block)).reshape(draws, -1)[:, :n] % n  # circular blocks
    slowest = np.max([steps[rank][index].sum(axis=1) for rank in range(len(steps))], axis=0)
    centre = steps.sum(axis=1).max()
    slowest = centre + _small_sample_factor(n / block) * (slowest - centre)
    result: Floats = images_per_step * n / slowest
    return result


def _small_sample_factor(n: float) -> float:
    """How much a bootstrap of `n` independent parts is too narrow (Hesterberg 2015, section 4.2).

    It draws from n parts with a variance n / (n - 1) too small, and knows nothing of Student's t.
    """
    if n <= 2:
        return float(stats.t.ppf(0.975, 1) / stats.norm.ppf(0.975))
    return float(np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1) / stats.norm.ppf(0.975))
