"""Where the time of steps goes whose compute is emulated: computing, waiting for slower ranks, exchanging gradients."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from bench.analysis.scaling import CURVE, curve
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Compute, Outcome

COLUMNS = ("step_time_s", "compute_share", "slowest_share", "exchange_share", "machine_busy_share")


def terms_table(records: Iterable[RunRecord]) -> pd.DataFrame:
    """One row a point of emulated compute that ended well, by curve and worker count; empty where there is none.

    compute_share: mean over ranks of the time until a rank's own last gradient was ready
    slowest_share: from there until the slowest rank's last gradient was ready
    exchange_share: from there until the averages were there: the exchange that no computing hides
    All are shares of step_time_s, and their sum is 1. machine_busy_share: of all cores' time, while gradients were
    under way; the largest of the point's launches.
    """
    rows = []
    for record in records:
        if record.spec.compute is Compute.EMULATED and record.outcome is Outcome.OK:
            which = {"workers": record.spec.workers, "oversubscribed": record.oversubscribed}
            rows.append(curve(record) | which | dict(zip(COLUMNS, _terms(record), strict=True)))
    if not rows:
        return pd.DataFrame()
    point = [*CURVE, "workers", "oversubscribed"]
    told = dict.fromkeys(COLUMNS, "mean") | {"machine_busy_share": "max"}
    joined = pd.DataFrame(rows).groupby(point, as_index=False, sort=False).agg(told)
    return joined.sort_values([*CURVE, "workers"], ignore_index=True)


def _terms(record: RunRecord) -> tuple[float, ...]:
    """The values of `COLUMNS` for one launch."""
    splits = [rank.split for rank in record.ranks if rank.split is not None]
    whole = np.array([s.whole_s for s in splits])  # (ranks, steps)
    ready = np.array([s.compute_s for s in splits])
    step = float(whole.mean())
    compute, slowest = float(ready.mean()), float(ready.max(axis=0).mean())
    busy = max(rank.machine_busy_share for rank in record.ranks)
    return step, compute / step, (slowest - compute) / step, (step - slowest) / step, busy
