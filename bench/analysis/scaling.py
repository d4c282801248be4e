"""From run records to one row a point: throughput, speedup and efficiency, each with its interval."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.answers import with_answers
from bench.analysis.intervals import Launches, interval, mean_throughput, throughput_draws, with_interval
from bench.analysis.peak import best_peaks, fraction_of_peak
from bench.analysis.ratio import time_ratio
from bench.analysis.steady import steady_from
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import LOADING_BLOCK
from deepgalaxy.words import Outcome

Point = tuple[object, ...]
"""A curve's values, worker count, and whether ranks shared cores."""

CURVE = [
    *("mode", "backbone", "resolution", "batch_size", "precision", "engine", "device", "runtime", "exchange"),
    *("meet", "trainer", "cores_per_worker"),
    *("site", "launcher", "provenance", "data", "model", "profile"),
]
"""What the points of one scaling curve have in common: only `workers` differs."""

MEASURED_COLUMNS = [
    "throughput_images_per_s",
    "throughput_low",
    "throughput_high",
    "step_time_s",
    *("step_p50_s", "step_p95_s", "step_p99_s"),
    "data_wait_share",
    "plain_read_ratio",
    "plain_read_ratio_low",
    "plain_read_ratio_high",
    *("images_per_core_hour", "fraction_of_peak"),
    "peak_rss_bytes",
    "total_peak_rss_bytes",
    "total_pss_bytes",
    "steps",
]


def steady_steps(record: RunRecord) -> NDArray[np.float64]:
    """Step times in the steady state, (ranks, steps), seconds."""
    times = np.array([rank.step_time_s for rank in record.ranks])
    return times[:, steady_from(times.max(axis=0)) :]


def steady_launches(records: Sequence[RunRecord]) -> Launches:
    """The steady steps of launches of one point."""
    return Launches([steady_steps(record) for record in records], records[0].spec.global_batch_size)


def scaling_table(records: Iterable[RunRecord], baseline_workers: int, seed: int = 0) -> pd.DataFrame:
    """One row per point, ordered by curve and worker count.

    Launches of one point are joined; where none ended well, the row has the outcome and reason
    of the last and no figures. Speedup and efficiency are relative to `baseline_workers` on the
    same curve, the paper's definition (Fig. 7): speedup = throughput / throughput of the
    baseline x its workers. Their intervals include the baseline's. Oversubscribed records are
    never a baseline.
    """
    rng = np.random.default_rng(seed)
    points: dict[Point, list[RunRecord]] = {}
    for record in records:
        points.setdefault(_point(record), []).append(record)
    good = {point: found for point, launches in points.items() if (found := _good(launches))}
    steady = {point: steady_launches(launches) for point, launches in good.items()}
    draws = _draws(steady, rng)
    rows = [_row(launches, steady.get(point), draws.get(point), rng) for point, launches in points.items()]
    peaks = best_peaks(itertools.chain(*points.values()))
    for row, point in zip(rows, points, strict=True):
        *curve_of, _, _ = point
        base = (*curve_of, baseline_workers, False)
        row["baseline_workers"] = baseline_workers
        row |= _speedup(point, base, steady, draws)
        if point in good:
            row["fraction_of_peak"] = fraction_of_peak(mean_throughput(steady[point]), good[point][-1], peaks)
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    # Training before inference, then by the curve's names, worker counts innermost.
    table = table.sort_values([*CURVE, "workers"], ascending=[False] + [True] * len(CURVE), ignore_index=True)
    return with_answers(table, itertools.chain(*points.values()))


def baseline_for(workers: Sequence[int], slots: int, asked: int | None = None) -> int:
    """The baseline count: what was asked, else the paper's 4, else 1 where 4 can't be had.

    Raises
    ------
    InputError: the baseline asked for is below 1
    """
    if asked is not None and asked < 1:
        raise InputError(f"--baseline-workers {asked} is too small: 1 or more is allowed")
    return asked or (4 if slots >= 4 and min(workers) >= 4 else 1)


def _quantiles(steps: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Median, 95% and 99% quantile of all ranks' step times: the latency where a step is one inference."""
    quantiles: NDArray[np.float64] = np.quantile(np.concatenate([s.ravel() for s in steps]), (0.5, 0.95, 0.99))
    return quantiles


def _against_plain_reads(good: Sequence[RunRecord], rng: np.random.Generator) -> tuple[float, float, float]:
    """Throughput of the pipeline over that of plain reads, of all ranks; NaN for runs that do not compare them."""
    pairs = [
        (np.array(rank.step_time_s), np.array(rank.plain_read_time_s))
        for record in good
        for rank in record.ranks
        if rank.plain_read_time_s
    ]
    return time_ratio(pairs, LOADING_BLOCK, rng) if pairs else (np.nan, np.nan, np.nan)


def _point(record: RunRecord) -> Point:
    spec = record.spec
    return (*curve(record).values(), spec.workers, spec.oversubscribe or record.oversubscribed)


def curve(record: RunRecord) -> dict[str, object]:
    """The scaling curve that a record is a point of, by the names in `CURVE`.

    Data and profile count by their files' names, as in `RunSpec.key`: one checkout's measurements go on in another.
    """
    spec = record.spec
    values = (
        spec.mode.value,
        spec.backbone,
        spec.resolution,
        spec.batch_size,
        spec.precision.value,
        spec.engine.value,
        spec.device.value,
        spec.runtime.value,
        spec.exchange,
        spec.meet,
        spec.trainer.value,
        spec.cores_per_worker,
        record.site,
        record.launcher,
        record.provenance.value,
        spec.data_name,
        spec.model,
        spec.profile.rpartition("/")[2],
    )
    return dict(zip(CURVE, values, strict=True))


def _draws(steady: dict[Point, Launches], rng: np.random.Generator) -> dict[Point, NDArray[np.float64]]:
    """Draws of the throughput of every point; a curve's points share a spread."""
    curves: dict[Point, dict[Point, Launches]] = {}
    for point, launches in steady.items():
        *name, _, oversubscribed = point
        curves.setdefault((*name, oversubscribed), {})[point] = launches
    return {point: drawn for curve in curves.values() for point, drawn in throughput_draws(curve, rng).items()}


def _speedup(
    point: Point, base: Point, steady: dict[Point, Launches], draws: dict[Point, NDArray[np.float64]]
) -> dict[str, float]:
    """Speedup and efficiency of a point relative to another, with their intervals; NaN where either is missing."""
    names = [f"{what}{side}" for what in ("speedup", "efficiency") for side in ("", "_low", "_high")]
    if point not in steady or base not in steady:
        return dict.fromkeys(names, np.nan)
    workers, baseline_workers = float(str(point[-2])), float(str(base[-2]))
    speedup = baseline_workers * mean_throughput(steady[point]) / mean_throughput(steady[base])
    low, high = (speedup, speedup) if point == base else interval(baseline_workers * draws[point] / draws[base])
    values = [speedup, low, high, speedup / workers, low / workers, high / workers]
    return dict(zip(names, values, strict=True))


def _good(launches: Sequence[RunRecord]) -> list[RunRecord]:
    return [record for record in launches if record.outcome is Outcome.OK]


def _row(
    launches: Sequence[RunRecord],
    steady: Launches | None,
    draws: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> dict[str, object]:
    """A point's row without its speedup."""
    good = _good(launches)
    last = (good or launches)[-1]
    row = curve(last) | {
        "workers": last.spec.workers,
        "key": last.spec.key,
        "outcome": last.outcome.value,
        "oversubscribed": last.oversubscribed or last.spec.oversubscribe,
        "launches": len(good),
        "failed_launches": len(launches) - len(good),
        "reason": last.reason,
    }
    if draws is None or steady is None:
        return row | dict.fromkeys(MEASURED_COLUMNS, np.nan)
    steps, images = steady
    speed = mean_throughput(steady)
    low, high = interval(draws)
    waits = sum(sum(rank.data_wait_s) for record in good for rank in record.ranks)
    times = sum(sum(rank.step_time_s) for record in good for rank in record.ranks)
    ratio = _against_plain_reads(good, rng)
    figures = {
        "throughput_images_per_s": speed,
        "throughput_low": low,
        "throughput_high": high,
        "step_time_s": images / speed,
        **dict(zip(("step_p50_s", "step_p95_s", "step_p99_s"), _quantiles(steps), strict=True)),
        "data_wait_share": waits / times,
        **with_interval("plain_read_ratio", ratio),
        "images_per_core_hour": 3600 * speed / (last.spec.workers * last.spec.cores_per_worker),
        "peak_rss_bytes": max(rank.peak_rss_bytes for record in good for rank in record.ranks),
        "total_peak_rss_bytes": max(sum(rank.peak_rss_bytes for rank in record.ranks) for record in good),
        "total_pss_bytes": max(sum(rank.pss_bytes for rank in record.ranks) for record in good),
        "steps": sum(s.shape[1] for s in steps),
    }
    return row | figures
