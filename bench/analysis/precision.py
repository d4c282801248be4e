"""What a coarser precision gains: the fastest engine in it against the fastest engine in FP32, point by point."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis import bootstrap
from bench.analysis.scaling import curve, steady_steps
from deepgalaxy.spec import RunRecord
from deepgalaxy.words import Outcome, Precision

SAME_WORK = [
    *("mode", "backbone", "resolution", "batch_size", "device", "runtime", "cores_per_worker"),
    *("site", "launcher", "provenance", "data", "model"),
]
"""What two runs that differ in precision and engine must share to be compared."""


def precision_table(records: Iterable[RunRecord], seed: int = 0) -> pd.DataFrame:
    """One row a point that was run in FP32 and in another precision.

    fp32_engine, fp32_images_per_s: the fastest in FP32; engine, precision, images_per_s: the fastest other
    gain: the latter over the former, with its 95% interval; latency columns: median step in ms
    """
    rng = np.random.default_rng(seed)
    points: dict[tuple[object, ...], dict[tuple[str, str], list[RunRecord]]] = {}
    for record in records:
        if record.outcome is not Outcome.OK:
            continue
        kind = curve(record)
        same = (*(kind[name] for name in SAME_WORK), record.spec.workers, record.oversubscribed)
        way = (record.spec.engine.value, record.spec.precision.value)
        points.setdefault(same, {}).setdefault(way, []).append(record)
    rows = []
    for same, by_way in points.items():
        speeds = {way: _throughput(launches) for way, launches in by_way.items()}
        exact = [way for way in speeds if way[1] == Precision.FP32.value]
        coarse = [way for way in speeds if way[1] != Precision.FP32.value]
        if not exact or not coarse:
            continue
        best, best_coarse = max(exact, key=speeds.__getitem__), max(coarse, key=speeds.__getitem__)
        draws = {way: _draws(by_way[way], rng) for way in (best, best_coarse)}
        low, high = bootstrap.interval(draws[best_coarse] / draws[best])
        rows.append(
            dict(zip([*SAME_WORK, "workers", "oversubscribed"], same, strict=True))
            | {
                "fp32_engine": best[0],
                "fp32_images_per_s": speeds[best],
                "fp32_latency_p50_ms": _latency(by_way[best]),
                "engine": best_coarse[0],
                "precision": best_coarse[1],
                "images_per_s": speeds[best_coarse],
                "latency_p50_ms": _latency(by_way[best_coarse]),
                "gain": speeds[best_coarse] / speeds[best],
                "gain_low": low,
                "gain_high": high,
            }
        )
    table = pd.DataFrame(rows)
    return table if table.empty else table.sort_values([*SAME_WORK, "workers"], ignore_index=True)


def _throughput(launches: list[RunRecord]) -> float:
    images = launches[0].spec.global_batch_size
    return float(images / np.mean([images / bootstrap.throughput(steady_steps(r), images) for r in launches]))


def _draws(launches: list[RunRecord], rng: np.random.Generator) -> NDArray[np.float64]:
    return bootstrap.throughput_draws([steady_steps(r) for r in launches], launches[0].spec.global_batch_size, rng)


def _latency(launches: list[RunRecord]) -> float:
    return float(1e3 * np.median(np.concatenate([steady_steps(r).ravel() for r in launches])))
