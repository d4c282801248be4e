"""How sure a throughput is: draws of it, whose quantiles are intervals and whose ratios are draws of ratios.

Two levels, launches over steps. A launch's mean step holds the noise of its steps as well, so wherever some point
of a curve has several launches, they alone decide: their spread on a logarithmic scale, pooled over the curve's
points (launches of a curve differ alike), with Student's t for as many as there are. Drawing launches and steps
anew, as a hierarchical bootstrap does, was tried first: of made launches whose truth is known, its 95% intervals held
it in 75 to 89% of cases where 2 to 5 launches differ by more than their steps tell, and in over 99% where they do
not. Where every point has a single launch, its
steps speak for it, in batches, because neighbouring steps resemble each other (batch means, e.g. Law & Kelton,
Simulation Modeling and Analysis, section 9.5.3); how launches differ is then unknown, and told by nobody.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)

DRAWS = 2000
LEVEL = 0.95
MOST_BATCHES = 10
FEWEST_STEPS_A_BATCH = 2

FAR = 50.0
"""In logarithm: what Student's t of one degree of freedom throws beyond, no machine is."""


class Launches(NamedTuple):
    """Launches of one point: step times, one (ranks, steps) array each, seconds; images of all ranks a step."""

    step_times_s: Sequence[Floats]
    images_per_step: int


def throughput(step_times_s: Floats, images_per_step: int) -> float:
    """Images of all ranks per second of the slowest rank over the same steps.

    step_times_s: (ranks, steps), seconds; images_per_step: of all ranks together
    """
    return float(images_per_step * step_times_s.shape[1] / step_times_s.sum(axis=1).max())


def mean_throughput(launches: Launches) -> float:
    """That of the mean step over launches."""
    times, images = launches
    return float(1 / np.mean([1 / throughput(steps, images) for steps in times]))


def throughput_draws(points: Mapping[Key, Launches], rng: np.random.Generator, draws: int = DRAWS) -> dict[Key, Floats]:
    """Draws of each point's throughput, (draws,), for points whose launches differ alike: those of one curve.

    NaN where nothing tells how sure it is: a single launch of a single step.
    """
    logs = {
        key: np.log([throughput(s, point.images_per_step) for s in point.step_times_s]) for key, point in points.items()
    }
    freedom = sum(len(launches) - 1 for launches in logs.values())
    if not freedom:
        return {key: _from_steps(point, rng, draws) for key, point in points.items()}
    variance = sum(float(np.sum((launches - launches.mean()) ** 2)) for launches in logs.values()) / freedom
    # One variance for all, as uncertain for one point as for the other: so their ratio has Student's t as well.
    spread = np.sqrt(variance * freedom / rng.chisquare(freedom, draws))
    return {
        key: _around(mean_throughput(point), spread * rng.standard_normal(draws) / np.sqrt(len(point.step_times_s)))
        for key, point in points.items()
    }


def with_interval(name: str, values: tuple[float, float, float]) -> dict[str, float]:
    """Columns of a value and its interval."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def interval(draws: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of draws."""
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _from_steps(point: Launches, rng: np.random.Generator, draws: int) -> Floats:
    """Draws from the steps of the only launch: those of its slowest rank, in batches of neighbours."""
    (steps,) = point.step_times_s
    slowest = steps[np.argmax(steps.sum(axis=1))]
    batches = min(MOST_BATCHES, len(slowest) // FEWEST_STEPS_A_BATCH)
    if batches < 2:  # too few for batches: each step by itself
        batches = len(slowest)
    if batches < 2:
        return np.full(draws, np.nan)
    means = np.log([batch.mean() for batch in np.array_split(slowest, batches)])
    error = means.std(ddof=1) / np.sqrt(batches)
    return _around(mean_throughput(point), error * rng.standard_t(batches - 1, draws))


def _around(centre: float, log_errors: Floats) -> Floats:
    drawn: Floats = centre * np.exp(log_errors.clip(-FAR, FAR))
    return drawn
