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
    errors = [np.var(step_times_s[cut:]) / (n - cut) for cut in range(n // 2 + 1)]
    return int(np.argmin(errors))
