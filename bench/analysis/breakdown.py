"""Where a training step's time goes, from steps of three kinds taken in turn (`deepgalaxy.record.StepSplit`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from bench.analysis.intervals import LEVEL
from bench.analysis.scaling import CURVE, curve
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome

PARTS = ["data_wait_s", "compute_s", "optimizer_s", "exchange_s"]
"""Of a step: waiting for its images; forward and backward pass; update; communication that computing does not hide."""

TIMELINE = ["negotiation_s", "waiting_s", "fusion_s", "allreduce_s"]
"""By Horovod's timeline, on rank 0, hidden or not."""


def breakdown_table(records: Iterable[RunRecord]) -> pd.DataFrame:
    """One row a point whose steps were split; empty where none was.

    `PARTS`: seconds a step, means over ranks, steps and launches, the latter three with a 95% interval
    (`compute_low`, `compute_high`, ...) over rounds of the three kinds of step
    step_time_s: of the measured steps, which the parts explain; `TIMELINE`: NaN where no timeline was kept
    """
    points: dict[tuple[object, ...], list[RunRecord]] = {}
    for record in records:
        if record.outcome is Outcome.OK and record.ranks[0].split:
            points.setdefault((*curve(record).values(), record.spec.workers), []).append(record)
    rows = [dict(zip([*CURVE, "workers"], point, strict=True)) | _parts(launches) for point, launches in points.items()]
    table = pd.DataFrame(rows)
    return table if table.empty else table.sort_values([*CURVE, "workers"], ignore_index=True)


def _parts(launches: Sequence[RunRecord]) -> dict[str, object]:
    ranks = [rank for record in launches for rank in record.ranks]
    kinds = {
        name: np.concatenate([_rounds(record, name) for record in launches]) for name in ("whole", "alone", "compute")
    }
    if launches[0].spec.workers == 1:  # exchanges nothing: two of the kinds are one, and their difference is noise
        kinds["whole"] = kinds["alone"] = (kinds["whole"] + kinds["alone"]) / 2
    differences = {
        "compute": kinds["compute"],
        "optimizer": kinds["alone"] - kinds["compute"],
        "exchange": kinds["whole"] - kinds["alone"],
    }
    row: dict[str, object] = {
        "launches": len(launches),
        "provenance": launches[-1].provenance.value,
        "step_time_s": float(np.mean([np.mean(rank.step_time_s) for rank in ranks])),
        "data_wait_s": float(np.mean([np.mean(rank.data_wait_s) for rank in ranks])),
    }
    for name, seconds in differences.items():
        row[f"{name}_s"] = float(seconds.mean())
        row[f"{name}_low"], row[f"{name}_high"] = _interval(seconds)
    for name in TIMELINE:
        found = [record.ranks[0].exchange_s.get(name.removesuffix("_s"), np.nan) for record in launches]
        row[name] = float(np.mean(found))
    return row


def _rounds(record: RunRecord, kind: str) -> NDArray[np.float64]:
    """Mean over ranks of each step of a kind, (rounds,)."""
    mean: NDArray[np.float64] = np.mean([getattr(rank.split, f"{kind}_s") for rank in record.ranks], axis=0)
    return mean


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    if len(values) < 2:
        return float("nan"), float("nan")
    reach = stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * stats.sem(values)
    return float(values.mean() - reach), float(values.mean() + reach)
