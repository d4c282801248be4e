"""Faster, slower, or can't tell: two measurements of the same points, decided on interval and effect.

The launch is what is independent: steps of one launch share their placement, memory and neighbours. So a point is
its launches' throughputs, compared on a logarithmic scale by Welch's t interval, which knows how little two or
three launches say. A verdict needs both: the interval on one side of "equal", and a change that matters.

A shared machine is itself faster or slower from one minute to the next. Where both sides were measured with a
yardstick (`RunSpec.yardstick`), speed is judged by it: images in the time that the yardstick takes, which tells
the code from the machine, and the yardstick's own time, which is the machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

import msgspec
import numpy as np
from scipy import stats

from bench.analysis import intervals
from bench.analysis.scaling import steady_steps
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome, Provenance


class Verdict(str, Enum):
    """What a comparison says of a point and a metric."""

    PASS = "pass"
    REGRESSED = "regressed"
    IMPROVED = "improved"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no data"


SPEED, SPEED_BY_YARDSTICK, MACHINE = "throughput_images_per_s", "images_per_yardstick", "yardstick_time_s"
METRICS = {SPEED: +1, SPEED_BY_YARDSTICK: +1, MACHINE: -1, "peak_rss_bytes": -1}
"""What is compared, and its direction: +1 where more is better."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One point of a sweep as a gate sees it.

    identity: what tells it from other points, sites and machines apart; values: of each launch, by metric; those of
        the yardstick only where every launch has them
    """

    identity: dict[str, Any]
    values: dict[str, list[float]]

    @property
    def key(self) -> bytes:
        """Identity as one value."""
        return msgspec.json.encode(self.identity, order="sorted")

    @property
    def name(self) -> str:
        """Readable."""
        return " ".join(str(self.identity[k]) for k in ("mode", "backbone", "precision", "engine")) + (
            f" {self.identity['resolution']}px b{self.identity['batch_size']} w{self.identity['workers']}"
        )


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """ratio: current over reference, with its interval; NaN where there is none"""

    point: str
    metric: str
    current: float
    reference: float
    ratio: float
    low: float
    high: float
    launches: tuple[int, int]
    verdict: Verdict

    @property
    def told(self) -> str:
        """In a line."""
        if self.verdict is Verdict.NO_DATA:
            return f"{self.metric}: no data, {self.launches[0]} launches here and {self.launches[1]} there"
        return f"{self.metric}: {self.verdict.value}, {self.ratio:.3f} [{self.low:.3f}, {self.high:.3f}] of it"


def points(records: Iterable[RunRecord]) -> list[Point]:
    """The measured points among records: launches that ended well, on cores of their own.

    Raises
    ------
    InputError: a record that was not measured; projected and published numbers pass no gate
    """
    found: dict[bytes, Point] = {}
    for record in records:
        if record.provenance is not Provenance.MEASURED:
            raise InputError(f"{record.spec.name} is {record.provenance.value}, and only measured points can be gated")
        if record.outcome is not Outcome.OK or record.oversubscribed:
            continue
        point = Point(identity=_identity(record), values={})
        point = found.setdefault(point.key, point)
        for name, value in _values(record).items():
            point.values.setdefault(name, []).append(value)
    for point in found.values():
        if len(point.values.get(MACHINE, [])) < len(point.values[SPEED]):
            for name in (SPEED_BY_YARDSTICK, MACHINE):
                point.values.pop(name, None)
    return list(found.values())


def _values(record: RunRecord) -> dict[str, float]:
    """Of one launch, by metric."""
    steps = steady_steps(record)
    speed = intervals.throughput(steps, record.spec.global_batch_size)
    values = {SPEED: speed, "peak_rss_bytes": float(max(rank.peak_rss_bytes for rank in record.ranks))}
    if all(rank.yardstick_time_s for rank in record.ranks):
        beside = [np.mean(rank.yardstick_time_s[-steps.shape[1] :]) for rank in record.ranks]
        values[MACHINE] = float(max(beside))  # ranks go at the pace of the slowest
        values[SPEED_BY_YARDSTICK] = speed * values[MACHINE]
    return values


def compare(
    current: Sequence[Point], reference: Sequence[Point], effect: float, *, ignore_machine: bool = False
) -> list[Comparison]:
    """Every point of the reference and every metric; points without a counterpart have no data.

    ignore_machine: leave the yardstick's own time out, which tells of the machine and not of the code
    """
    here, there = ({point.key: point for point in side} for side in (current, reference))
    rows = []
    for key in [*there, *(key for key in here if key not in there)]:
        mine, theirs = (side[key].values if key in side else {} for side in (here, there))
        name = (there.get(key) or here[key]).name
        rows += [
            _compared(name, metric, METRICS[metric], mine.get(metric, []), theirs.get(metric, []), effect)
            for metric in METRICS
            if metric not in _unused(mine, theirs) and not (ignore_machine and metric == MACHINE)
        ]
    return rows


def _unused(mine: dict[str, list[float]], theirs: dict[str, list[float]]) -> tuple[str, ...]:
    """Speed is judged once: by the yardstick where both sides have it, else by the clock."""
    return (SPEED,) if MACHINE in mine and MACHINE in theirs else (SPEED_BY_YARDSTICK, MACHINE)


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """What to say of several at once: the first of regressed, no data, inconclusive that is among them, else pass."""
    found = set(verdicts)
    return next((v for v in (Verdict.REGRESSED, Verdict.NO_DATA, Verdict.INCONCLUSIVE) if v in found), Verdict.PASS)


def interval(
    mine: Sequence[float], theirs: Sequence[float], level: float = intervals.LEVEL
) -> tuple[float, float, float]:
    """Ratio of geometric means, and Welch's interval of it; without bounds where a side has one launch."""
    a, b = np.log(mine), np.log(theirs)
    ratio = float(np.exp(a.mean() - b.mean()))
    if len(a) < 2 or len(b) < 2:
        return ratio, 0.0, float("inf")
    if np.ptp(a) == np.ptp(b) == 0:  # memory is often the same to the byte
        return ratio, ratio, ratio
    bounds = stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    return ratio, float(np.exp(bounds.low)), float(np.exp(bounds.high))


def decide(ratio: float, low: float, high: float, direction: int, effect: float) -> Verdict:
    """The verdict on a ratio with its interval; direction: +1 where more is better.

    A loss that is certain, but not certain to matter, is inconclusive: it never passes.
    """
    if direction < 0:
        ratio, low, high = 1 / ratio, 1 / high if high else float("inf"), 1 / low if low else float("inf")
    if high < 1 and ratio <= 1 - effect:
        return Verdict.REGRESSED
    if low > 1 and ratio >= 1 + effect:
        return Verdict.IMPROVED
    return Verdict.PASS if low > 1 - effect and high >= 1 else Verdict.INCONCLUSIVE


def _compared(
    name: str, metric: str, direction: int, mine: Sequence[float], theirs: Sequence[float], effect: float
) -> Comparison:
    nothing = float("nan")
    ratio = low = high = nothing
    verdict = Verdict.NO_DATA
    if mine and theirs:
        ratio, low, high = interval(mine, theirs)
        verdict = decide(ratio, low, high, direction, effect)
    return Comparison(
        point=name,
        metric=metric,
        current=float(np.exp(np.mean(np.log(mine)))) if mine else nothing,
        reference=float(np.exp(np.mean(np.log(theirs)))) if theirs else nothing,
        ratio=ratio,
        low=low,
        high=high,
        launches=(len(mine), len(theirs)),
        verdict=verdict,
    )


def _identity(record: RunRecord) -> dict[str, Any]:
    fields = ("backbone", "resolution", "batch_size", "workers", "workers_per_node", "cores_per_worker", "exchange")
    spec = record.spec
    words = ("mode", "precision", "engine", "device", "runtime")
    return (
        {name: getattr(spec, name).value for name in words}
        | {name: getattr(spec, name) for name in fields}
        | {"data": spec.data_name, "model": spec.model.rpartition("/")[2]}  # wherever they lie
        | ({"meet": True} if spec.meet else {})  # which older baselines do not know
    )
