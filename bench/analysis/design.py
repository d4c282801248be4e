"""A two-level experiment: many settings varied at once, each one's effect from all launches.

Settings are the columns of a Hadamard matrix (Plackett & Burman 1946, Biometrika 33, 305): in every run about half of
them are at their second level, and any two are independent of each other. Their effects multiply, so they add up on a
logarithmic scale, where least squares finds them, and Student's t how sure they are. Effects that depend on one
another's level fall on other columns; the winner is therefore held against the start in launches of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, stats

from bench.analysis.intervals import LEVEL
from deepgalaxy.errors import InputError

Floats = NDArray[np.float64]


def screening(factors: int) -> NDArray[np.int64]:
    """Levels 0 and 1, (runs, factors): the fewest runs that tell that many factors and a mean apart, a power of two."""
    runs = 2 ** max(1, int(np.ceil(np.log2(factors + 1))))
    columns: NDArray[np.int64] = (1 - linalg.hadamard(runs)[:, 1 : factors + 1]).astype(np.int64) // 2
    return columns


def effects(
    names: Sequence[str], levels: NDArray[np.int64], blocks: Sequence[int], step_time_s: Sequence[float]
) -> pd.DataFrame:
    """One row a factor: how many times as long a step is at level 1 as at level 0, with its 95% interval.

    levels: (launches, factors) of 0 and 1; blocks: of each launch, between which the machine may have changed

    Raises
    ------
    InputError: too few launches to tell how sure the effects are
    """
    known = sorted(set(blocks))
    means = np.array([[float(block == b) for b in known] for block in blocks])
    matrix = np.hstack([levels - 0.5, means])
    freedom = len(step_time_s) - np.linalg.matrix_rank(matrix)
    if freedom < 1 or np.linalg.matrix_rank(matrix) < matrix.shape[1]:
        raise InputError(
            f"{len(step_time_s)} launches can't tell {len(names)} settings apart; more --minutes are needed"
        )
    logs = np.log(np.asarray(step_time_s))
    found, *_ = np.linalg.lstsq(matrix, logs, rcond=None)
    variance = float(np.sum((logs - matrix @ found) ** 2)) / freedom
    errors = np.sqrt(variance * np.diag(np.linalg.inv(matrix.T @ matrix)))
    reach = stats.t.ppf((1 + LEVEL) / 2, freedom) * errors
    rows = [
        {
            "setting": name,
            "step_ratio": float(np.exp(found[i])),
            "step_ratio_low": float(np.exp(found[i] - reach[i])),
            "step_ratio_high": float(np.exp(found[i] + reach[i])),
            "launches": len(step_time_s),
        }
        for i, name in enumerate(names)
    ]
    return pd.DataFrame(rows)


def better_level(row: dict[str, float]) -> int | None:
    """The level whose steps are shorter, where the interval leaves no doubt; None where it does."""
    if row["step_ratio_high"] < 1:
        return 1
    return 0 if row["step_ratio_low"] > 1 else None
