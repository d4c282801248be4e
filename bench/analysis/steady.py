"""Where a run's steady state begins."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def steady_from(step_times_s: NDArray[np.float64]) -> int:
    """Index of the first step of the steady state.

    MSER (White 1997): cut off the leading steps whose removal makes the standard error of the
    mean of the rest smallest. At most half of the run can be cut: later minima are noise.
    """
    n = len(step_times_s)
    if n < 4:
        return 0
    cuts = np.arange(n // 2 + 1)
    left = n - cuts
    centred = (step_times_s - step_times_s.mean())[::-1]  # sums of squares lose nothing near the mean
    sums, squares = (np.cumsum(x)[::-1][cuts] for x in (centred, centred**2))
    return int(np.argmin((squares / left - (sums / left) ** 2) / left))
