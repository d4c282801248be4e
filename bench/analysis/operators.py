"""Which operations a step's time goes to, and how fast they are; and what goes before the first step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.scaling import CURVE, steady_steps
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord

FIRST_STEP_PHASES = {
    "start": "interpreter, this suite's own modules",
    "import": "TensorFlow",
    "connect": "Horovod, MPI",
    "build": "network, data pipeline, weights",
    "trace": "the step's graph",
    "first_step": "optimising the graph, first execution",
}
"""From a rank's start to its first step's end."""


def operator_table(record: RunRecord) -> pd.DataFrame:
    """One row an operation type of rank 0, the longest first.

    count, time_s, flop, bytes_moved: of one step; share: of the time of all operations, which may run side by side
    flop_per_s, bytes_per_s: NaN where arithmetic or bytes are not known; fraction_of_peak: of matrix products

    Raises
    ------
    InputError: the record has no operators
    """
    rank = next((rank for rank in record.ranks if rank.operators), None)
    if rank is None:
        raise InputError(f"{record.spec.name}: {record.outcome.value}, and no operation was timed: {record.reason}")
    total = sum(cost.time_s for cost in rank.operators)
    rows = []
    for cost in rank.operators:
        speed = _rate(cost.flop, cost.time_s)
        rows.append(
            {
                "operator": cost.operator,
                "count": cost.count,
                "time_s": cost.time_s,
                "share": cost.time_s / total,
                "flop": cost.flop,
                "bytes_moved": cost.bytes_moved,
                "flop_per_s": speed,
                "bytes_per_s": _rate(cost.bytes_moved, cost.time_s),
                "fraction_of_peak": _rate(speed, rank.gemm_flop_per_s),
                "provenance": record.provenance.value,
            }
        )
    return pd.DataFrame(rows)


def step_facts(record: RunRecord) -> dict[str, Any]:
    """What the operators' times are to be read beside; seconds, of one step.

    operators_s: sum over operators of rank 0; gemm_flop_per_s: of its matrix products
    fraction_of_peak: of all arithmetic of the measured steps
    """
    rank = record.ranks[0]
    step_s = float(np.median(steady_steps(record).max(axis=0)))
    flop = rank.flop_per_image * record.spec.batch_size
    return {
        "point": record.spec.name,
        "step_time_s": step_s,
        "operators_s": sum(cost.time_s for cost in rank.operators),
        "data_wait_s": float(np.median(rank.data_wait_s)),
        "flop": flop,
        "gemm_flop_per_s": rank.gemm_flop_per_s,
        "fraction_of_peak": _rate(flop / step_s, rank.gemm_flop_per_s),
        "peak_rss_bytes": rank.peak_rss_bytes,
        "provenance": record.provenance.value,
    }


def first_step_table(record: RunRecord) -> pd.DataFrame:
    """One row a phase from a rank's start to the end of its first step, seconds of the slowest rank; and their sum.

    peak_rss_bytes: the most by its end, of the hungriest rank
    """
    rows = []
    for phase, what in FIRST_STEP_PHASES.items():
        times = [rank.phase_time_s[phase] for rank in record.ranks if phase in rank.phase_time_s]
        peaks = [sample.peak_rss_bytes for rank in record.ranks for sample in rank.memory if sample.phase == phase]
        if times:
            rows.append((phase, what, max(times), float(max(peaks, default=np.nan))))
    peak = max((row[3] for row in rows if row[3] == row[3]), default=np.nan)
    whole = ("all", "", sum(row[2] for row in rows), peak)
    return pd.DataFrame([*rows, whole], columns=["phase", "what", "time_s", "peak_rss_bytes"])


def first_steps(phases: pd.DataFrame) -> pd.DataFrame:
    """One row a point of a `bench.analysis.ranks.phase_table`: seconds of each phase to the first step's end, and all.

    A phase that a point did not have is NaN; points without a first step are left out.
    """
    if phases.empty:
        return pd.DataFrame()
    names = list(FIRST_STEP_PHASES)
    points = [name for name in (*CURVE, "workers") if name in phases]
    wide = phases[phases["phase"].isin(names)].pivot_table("time_s", points, "phase", sort=False, dropna=False)
    wide = wide.reindex(columns=names).dropna(subset=["first_step"])
    wide["all"] = wide[names].sum(axis=1)
    return wide.reset_index()


def _rate(amount: float, seconds: float) -> float:
    return amount / seconds if amount and seconds else float("nan")
