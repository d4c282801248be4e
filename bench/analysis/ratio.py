"""Ratios of two things timed in turn, in the same launches or round by round, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.analysis.intervals import DRAWS, LEVEL, Launches, interval, throughput, throughput_draws
from deepgalaxy.errors import InputError

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


def round_ratio(
    first: Launches, second: Launches, rng: np.random.Generator, level: float = LEVEL
) -> tuple[float, float, float]:
    """Throughput of the first over that of the second: geometric mean over rounds, and its interval.

    first, second: launches of two points taken in turn, the i-th of both in round i. What slowed the machine for a
    round slowed both, so the rounds' ratios are what varies: Student's t of their logarithms. A single round has
    only its steps to tell (`bench.analysis.intervals`), and knows nothing of how launches differ.

    Raises
    ------
    InputError: no round, or launches without a counterpart
    """
    rounds = len(first.step_times_s)
    if not rounds or rounds != len(second.step_times_s):
        raise InputError(f"{rounds} launches can't be held against {len(second.step_times_s)} round by round")
    logs = np.log([_speed(first, i) / _speed(second, i) for i in range(rounds)])
    if rounds == 1:
        draws = throughput_draws({"first": first}, rng)["first"] / throughput_draws({"second": second}, rng)["second"]
        return float(np.exp(logs[0])), *interval(draws, level)
    reach = stats.t.ppf((1 + level) / 2, rounds - 1) * stats.sem(logs)
    low, middle, high = np.exp([logs.mean() - reach, logs.mean(), logs.mean() + reach])
    return float(middle), float(low), float(high)


def _speed(point: Launches, number: int) -> float:
    return throughput(point.step_times_s[number], point.images_per_step)
