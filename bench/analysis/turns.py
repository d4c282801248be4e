"""Runs that shared the machine by turns (`bench.launch.turns`): how fast one was beside another, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bench.analysis.intervals import LEVEL, with_interval
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord

Floats = NDArray[np.float64]


def by_turns(record: RunRecord) -> Floats:
    """Measured steps, (ranks, turns, steps), seconds, without the first step of each turn: it finds cold caches.

    Raises
    ------
    InputError: a run without turns
    """
    each = record.spec.turn_steps
    if not each:
        raise InputError(f"{record.spec.name} took no turns")
    steps = np.array([rank.step_time_s for rank in record.ranks])
    return steps.reshape(len(steps), -1, each)[:, :, 1:]


def turn_times(record: RunRecord) -> Floats:
    """Seconds of each turn, (turns,): those of its slowest rank."""
    times: Floats = by_turns(record).sum(axis=2).max(axis=0)
    return times


def in_step_times(record: RunRecord) -> Floats:
    """Seconds of each turn, (turns,), as if every step had ended with that of its slowest rank."""
    times: Floats = by_turns(record).max(axis=0).sum(axis=1)
    return times


def way_row(
    way: str,
    launches: Sequence[RunRecord],
    values: tuple[float, float, float],
    times: Callable[[RunRecord], Floats] = turn_times,
    called: str = "ratio",
) -> dict[str, Any]:
    """A table's row of a way to do something, from its launches.

    values: its ratio and interval, see `ratio`; times: of its turns, seconds, (turns,); called: name of the ratio
    """
    spec = launches[0].spec
    step = float(np.median([times(record) for record in launches])) / (spec.turn_steps - 1)
    return {
        "way": way,
        "launches": len(launches),
        "step_time_s": step,
        "throughput_images_per_s": spec.global_batch_size / step,
        **with_interval(called, values),
        "peak_rss_bytes": max(rank.peak_rss_bytes for record in launches for rank in record.ranks),
        "provenance": launches[0].provenance.value,
    }


def ratio(pairs: Sequence[tuple[Floats, Floats]], level: float = LEVEL) -> tuple[float, float, float]:
    """How many times as long the second of each pair takes as the first, and its interval.

    pairs: of launches that took turns with one another, seconds of each turn, two (turns,) arrays. The median over
    turns, which a turn that was disturbed does not move. Over several pairs their geometric mean, and Student's t of
    how they differ, but no less than their turns leave open: a few that agree by chance are no surer than that (so
    Knapp & Hartung's interval of a mean over trials is bounded by many, e.g. Röver et al. 2015, BMC Med. Res. Methodol.
    15, 99). A single pair has only its turns to tell, and knows nothing of how launches differ.

    Raises
    ------
    InputError: no pair, or one whose sides have not the same number of turns
    """
    if not pairs or any(len(first) != len(second) for first, second in pairs):
        raise InputError(f"no ratio of {len(pairs)} pairs: each needs the same turns on both sides")
    logs = [np.log(second / first) for first, second in pairs]
    medians = np.array([np.median(turns) for turns in logs])
    middle, values = float(medians.mean()), medians if len(logs) > 1 else logs[0]
    if len(values) < 2:
        return float(np.exp(middle)), 0.0, float("inf")
    reach = _quantile(level, len(values) - 1) * float(stats.sem(values))
    if len(logs) > 1:
        turns_alone = float(np.linalg.norm([_of_median(turns) for turns in logs])) / len(logs)
        reach = max(reach, _quantile(level, sum(len(turns) - 1 for turns in logs)) * turns_alone)
    low, best, high = np.exp([middle - reach, middle, middle + reach])
    return float(best), float(low), float(high)


def _quantile(level: float, degrees: int) -> float:
    return float(stats.t.ppf((1 + level) / 2, degrees)) if degrees else 0.0


def _of_median(values: Floats) -> float:
    """Standard error of the median of normal values, from their median deviation: an outlier does not move it."""
    deviation = float(stats.median_abs_deviation(values, scale="normal"))
    return deviation * float(np.sqrt(np.pi / 2 / len(values)))
