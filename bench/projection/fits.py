"""Laws fitted to measured efficiencies, to be held against the first-principles curve.

Amdahl 1967 (AFIPS Conf. Proc. 30, 483), Gunther's Universal Scalability Law (2007, "Guerrilla Capacity Planning",
section 4.4), and a loss that grows with the logarithm of the workers, as stragglers and trees do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Floats = NDArray[np.float64]


def amdahl(workers: Floats) -> Floats:
    """What a serial share adds to a worker's time, by its unit: (1, n)."""
    return np.array([workers - 1])


def usl(workers: Floats) -> Floats:
    """Contention, and coherency between all pairs: with it speedup may fall again, (2, n)."""
    return np.array([workers - 1, workers * (workers - 1)])


def logarithmic(workers: Floats) -> Floats:
    """A step that grows with log2 of the workers, (1, n)."""
    return np.array([np.log2(workers)])


LAWS: dict[str, Callable[[Floats], Floats]] = {
    "Amdahl": amdahl,
    "Universal Scalability Law": usl,
    "logarithmic": logarithmic,
}
"""1 / efficiency = 1 + coefficients x these: linear, and no coefficient is below 0."""

DRAWS = 400


def efficiency_of(law: Callable[[Floats], Floats], coefficients: Sequence[float] | Floats, workers: Floats) -> Floats:
    """Of a law with these coefficients, relative to one worker."""
    result: Floats = 1 / (1 + np.asarray(coefficients) @ law(workers))
    return result


def fit(measured: Sequence[tuple[int, float, float]], at: Sequence[int], seed: int = 0) -> list[dict[str, Any]]:
    """Each law fitted to (workers, efficiency, its standard error), and its efficiencies elsewhere.

    Efficiencies are relative to one worker. A law with as many coefficients as points beyond one worker, or more, is
    left out, but for those with a single one.
    low, high: 95% prediction interval, from fits to draws of the points and the residual spread
    extrapolation: worker count over the largest measured one
    """
    beyond = [point for point in measured if point[0] > 1]
    if not beyond:
        return []
    workers, values, stated = (np.array(column, float) for column in zip(*beyond, strict=True))
    target, rng = np.asarray(at, float), np.random.default_rng(seed)
    rows = []
    for name, law in LAWS.items():
        freedom = len(beyond) - len(law(workers))
        if freedom < (0 if len(law(workers)) == 1 else 1):
            continue
        best = _fitted(law, workers, values, stated)
        residuals = values - efficiency_of(law, best, workers)
        spread = float(np.sqrt(np.sum(residuals**2) / freedom)) if freedom else 0.0
        errors = np.maximum(stated, spread)
        noisy = values + errors * rng.standard_normal((DRAWS, len(values)))
        drawn = np.array([efficiency_of(law, _fitted(law, workers, row, stated), target) for row in noisy])
        drawn += float(np.median(errors)) * rng.standard_normal((DRAWS, 1))
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        middle = efficiency_of(law, best, target)
        for i, count in enumerate(at):
            rows.append(
                {
                    "law": name,
                    "workers": count,
                    "efficiency": float(middle[i]),
                    "efficiency_low": float(max(low[i], 0.0)),
                    "efficiency_high": float(high[i]),
                    "extrapolation": float(count / workers.max()),
                    "coefficients": [float(c) for c in best],
                    "provenance": "projected",
                }
            )
    return rows


def _fitted(law: Callable[[Floats], Floats], workers: Floats, values: Floats, errors: Floats) -> Floats:
    values = np.maximum(values, 1e-3)
    weight = values**2 / np.maximum(
        errors, 1e-3
    )  # of 1 / efficiency, whose error is that of efficiency over its square
    found: Floats = nnls((law(workers) * weight).T, (1 / values - 1) * weight)[0]
    return found
