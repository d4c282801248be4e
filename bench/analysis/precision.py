"""What a coarser precision gains: the fastest engine in it against the fastest engine in FP32, point by point."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.intervals import Launches, interval, mean_throughput, throughput_draws
from bench.analysis.scaling import CURVE, curve, steady_launches
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome, Precision

SAME_WORK = [name for name in CURVE if name not in ("precision", "engine")]
"""What two runs that differ in precision and engine must share to be compared."""


def precision_table(records: Iterable[RunRecord], seed: int = 0) -> pd.DataFrame:
    """One row a point that was run in FP32 and in another precision.

    fp32_engine, fp32_images_per_s: the fastest in FP32; engine, precision, images_per_s: the fastest other
    gain: the latter over the former, with its 95% interval; latency columns: median step in ms
    """
    rng = np.random.default_rng(seed)
    points: dict[tuple[Any, ...], dict[tuple[str, str], list[RunRecord]]] = {}
    for record in records:
        if record.outcome is not Outcome.OK:
            continue
        kind = curve(record)
        spec = record.spec
        same = (*(kind[name] for name in SAME_WORK), spec.workers, record.oversubscribed, spec.global_batch_size)
        way = (spec.engine.value, spec.precision.value)
        points.setdefault(same, {}).setdefault(way, []).append(record)
    rows = []
    for (*shared, _), records_by_way in points.items():
        by_way = {way: steady_launches(launches) for way, launches in records_by_way.items()}
        speeds = {way: mean_throughput(launches) for way, launches in by_way.items()}
        exact = [way for way in speeds if way[1] == Precision.FP32.value]
        coarse = [way for way in speeds if way[1] != Precision.FP32.value]
        if not exact or not coarse:
            continue
        best, best_coarse = max(exact, key=speeds.__getitem__), max(coarse, key=speeds.__getitem__)
        draws = throughput_draws({way: by_way[way] for way in (best, best_coarse)}, rng)
        low, high = interval(draws[best_coarse] / draws[best])
        rows.append(
            dict(zip([*SAME_WORK, "workers", "oversubscribed"], shared, strict=True))
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


def _latency(launches: Launches) -> float:
    return float(1e3 * np.median(np.concatenate([steps.ravel() for steps in launches.step_times_s])))
