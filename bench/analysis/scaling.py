"""From run records to one row a point: throughput, speedup and efficiency, each with its interval."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis import bootstrap
from bench.analysis.answers import with_answers
from bench.analysis.ratio import time_ratio
from bench.analysis.steady import steady_from
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import LOADING_BLOCK
from deepgalaxy.words import Outcome

CURVE = [
    *("mode", "backbone", "resolution", "batch_size", "precision", "engine", "device", "runtime", "exchange"),
    "cores_per_worker",
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
    "peak_rss_bytes",
    "total_peak_rss_bytes",
    "total_pss_bytes",
    "steps",
]


def steady_steps(record: RunRecord) -> NDArray[np.float64]:
    """Step times in the steady state, (ranks, steps), seconds."""
    times = np.array([rank.step_time_s for rank in record.ranks])
    return times[:, steady_from(times.max(axis=0)) :]


def scaling_table(records: Iterable[RunRecord], baseline_workers: int, seed: int = 0) -> pd.DataFrame:
    """One row per point, ordered by curve and worker count.

    Launches of one point are joined; where none ended well, the row has the outcome and reason
    of the last and no figures. Speedup and efficiency are relative to `baseline_workers` on the
    same curve, the paper's definition (Fig. 7): speedup = throughput / throughput of the
    baseline x its workers. Their intervals include the baseline's. Oversubscribed records are
    never a baseline.
    """
    rng = np.random.default_rng(seed)
    points: dict[tuple[object, ...], list[RunRecord]] = {}
    for record in records:
        points.setdefault(_point(record), []).append(record)
    rows, draws = [], {}
    for point, launches in points.items():
        row, drawn = _row(launches, rng)
        rows.append(row)
        if drawn is not None:
            draws[point] = drawn
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    table["baseline_workers"] = baseline_workers
    for name in ("speedup", "speedup_low", "speedup_high", "efficiency", "efficiency_low", "efficiency_high"):
        table[name] = np.nan
    for i, point in enumerate(points):
        base = next((p for p in points if p[:-2] == point[:-2] and p[-2:] == (baseline_workers, False)), None)
        if point in draws and base in draws:
            speedup = table.at[i, "throughput_images_per_s"] * baseline_workers
            speedup /= table.at[list(points).index(base), "throughput_images_per_s"]
            ratios = baseline_workers * draws[point] / draws[base]
            low, high = (speedup, speedup) if point == base else bootstrap.interval(ratios)
            workers = table.at[i, "workers"]
            table.loc[i, ["speedup", "speedup_low", "speedup_high"]] = speedup, low, high
            columns = ["efficiency", "efficiency_low", "efficiency_high"]
            table.loc[i, columns] = speedup / workers, low / workers, high / workers
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
        raise InputError(f"--baseline {asked} is too small: 1 or more is allowed")
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


def _point(record: RunRecord) -> tuple[object, ...]:
    spec = record.spec
    return (*curve(record).values(), spec.workers, spec.oversubscribe or record.oversubscribed)


def curve(record: RunRecord) -> dict[str, object]:
    """The scaling curve that a record is a point of, by the names in `CURVE`."""
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
        spec.cores_per_worker,
        record.site,
        record.launcher,
        record.provenance.value,
        spec.data,
        spec.model,
        spec.profile,
    )
    return dict(zip(CURVE, values, strict=True))


def _row(
    launches: Sequence[RunRecord], rng: np.random.Generator
) -> tuple[dict[str, object], NDArray[np.float64] | None]:
    """A point's row without its speedup, and the bootstrap draws of its throughput."""
    good = [record for record in launches if record.outcome is Outcome.OK]
    last = (good or launches)[-1]
    row = curve(last) | {
        "workers": last.spec.workers,
        "outcome": last.outcome.value,
        "oversubscribed": last.oversubscribed or last.spec.oversubscribe,
        "launches": len(good),
        "failed_launches": len(launches) - len(good),
        "reason": last.reason,
    }
    if not good:
        return row | dict.fromkeys(MEASURED_COLUMNS, np.nan), None
    images = last.spec.global_batch_size
    steps = [steady_steps(record) for record in good]
    speed = bootstrap.mean_throughput(steps, images)
    draws = bootstrap.throughput_draws(steps, images, rng)
    low, high = bootstrap.interval(draws)
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
        **dict(zip(("plain_read_ratio", "plain_read_ratio_low", "plain_read_ratio_high"), ratio, strict=True)),
        "peak_rss_bytes": max(rank.peak_rss_bytes for record in good for rank in record.ranks),
        "total_peak_rss_bytes": max(sum(rank.peak_rss_bytes for rank in record.ranks) for record in good),
        "total_pss_bytes": max(sum(rank.pss_bytes for rank in record.ranks) for record in good),
        "steps": sum(s.shape[1] for s in steps),
    }
    return row | figures, draws
