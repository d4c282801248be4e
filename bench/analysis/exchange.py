"""How long exchanges took, apart from all else: of steps that do nothing but wait a moment and exchange."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.record import RunRecord


def exchange_times_s(record: RunRecord) -> NDArray[np.float64]:
    """Seconds from the last gradient's readiness to its average being there, (steps,): the mean over the ranks."""
    splits = [rank.split for rank in record.ranks if rank.split is not None]
    whole = np.array([s.whole_s for s in splits])
    ready = np.array([s.compute_s for s in splits])
    times: NDArray[np.float64] = (whole - ready).mean(axis=0)
    return times
