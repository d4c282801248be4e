"""How far off the memory model is: every measured point against a model that was fitted without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from bench.projection.memory import Estimate, Load, Peak, fit
from deepgalaxy.networks.costs import MemoryCost


class Miss(NamedTuple):
    """A measured peak, and what a model says of it that was fitted without it."""

    measured: Peak
    predicted: Estimate

    @property
    def error(self) -> float:
        """Relative: predicted over measured, less 1."""
        return self.predicted.peak_rss_bytes / self.measured.peak_rss_bytes - 1

    @property
    def inside(self) -> bool:
        """Whether the measured peak lies in the interval."""
        return self.predicted.low <= self.measured.peak_rss_bytes <= self.predicted.high


def left_out(
    measured: Sequence[Peak], costs: Mapping[str, MemoryCost], group: Callable[[Load], object] = lambda load: load
) -> list[Miss]:
    """Every point predicted by a model of all points that are not in its group (a point, or say a backbone).

    Points that the rest says nothing of (the only ones of a precision, say) are left out.
    """
    misses = []
    groups = dict.fromkeys(group(point.load) for point in measured)
    for each in groups:
        model = fit([point for point in measured if group(point.load) != each], costs)
        mine = (point for point in measured if group(point.load) == each and model.knows(point.load))
        misses += [Miss(point, model.predict(point.load)) for point in mine]
    return misses


def errors(misses: Iterable[Miss]) -> dict[str, float]:
    """Median, 90th percentile and largest absolute relative error, and the share of points within the interval."""
    misses = list(misses)
    sizes = np.abs([miss.error for miss in misses])
    return {
        "points": len(misses),
        "median": float(np.median(sizes)),
        "p90": float(np.quantile(sizes, 0.9)),
        "largest": float(sizes.max()),
        "inside_interval": float(np.mean([miss.inside for miss in misses])),
    }
