"""How ranks of one run differ: in time, and in memory by phase and node."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import pandas as pd

from bench.analysis.scaling import CURVE, curve
from deepgalaxy.record import RankRecord, RunRecord
from deepgalaxy.words import Mode, Outcome


def skew_table(records: Iterable[RunRecord]) -> pd.DataFrame:
    """One row a rank of each point's last launch that ended well.

    work_s: what the rank itself takes for a step: forward and backward pass where steps were split, else the step
        without its wait for data, in which ranks wait for one another; of loading alone the whole batch
    relative: over the median of the point's ranks; spread: standard deviation of its steps over their mean
    """
    rows = []
    for record in _last(records):
        work = [_work(rank, record.spec.mode) for rank in record.ranks]
        middle = float(np.median([np.mean(seconds) for seconds in work]))
        for rank, seconds in zip(record.ranks, work, strict=True):
            rows.append(
                curve(record)
                | {
                    "workers": record.spec.workers,
                    "rank": rank.rank,
                    "hostname": rank.hostname,
                    "work_s": float(np.mean(seconds)),
                    "relative": float(np.mean(seconds)) / middle,
                    "spread": float(np.std(seconds) / np.mean(seconds)),
                    "of": "forward and backward pass" if rank.split else "whole step",
                }
            )
    return pd.DataFrame(rows)


def phase_table(records: Iterable[RunRecord]) -> pd.DataFrame:
    """One row a phase of each point's last launch that ended well, in the order of the phases.

    peak_rss_bytes, pss_bytes: of the hungriest rank at its end; node_pss_bytes: of all ranks of the fullest node
    time_s: of the slowest rank
    """
    rows = []
    for record in _last(records):
        for number, sample in enumerate(record.ranks[0].memory):
            here = [rank.memory[number] for rank in record.ranks if number < len(rank.memory)]
            nodes: dict[str, int] = defaultdict(int)
            for rank, found in zip(record.ranks, here, strict=False):
                nodes[rank.hostname] += found.pss_bytes
            rows.append(
                curve(record)
                | {
                    "workers": record.spec.workers,
                    "phase": sample.phase,
                    "peak_rss_bytes": max(found.peak_rss_bytes for found in here),
                    "pss_bytes": max(found.pss_bytes for found in here),
                    "node_pss_bytes": max(nodes.values()),
                    "time_s": max(rank.phase_time_s.get(sample.phase, np.nan) for rank in record.ranks),
                }
            )
    table = pd.DataFrame(rows)
    return table.drop_duplicates([*CURVE, "workers", "phase"], keep="last", ignore_index=True) if rows else table


def _last(records: Iterable[RunRecord]) -> list[RunRecord]:
    """The last good launch of each point."""
    found = {(*curve(r).values(), r.spec.workers): r for r in records if r.outcome is Outcome.OK and r.ranks}
    return list(found.values())


def _work(rank: RankRecord, mode: Mode) -> list[float]:
    if rank.split:
        return rank.split.compute_s
    if mode is Mode.LOAD:
        return rank.step_time_s
    return [step - wait for step, wait in zip(rank.step_time_s, rank.data_wait_s, strict=True)]
