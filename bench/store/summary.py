"""A record in short: what a plan or a status needs of it, without its steps."""

from __future__ import annotations

import statistics

import msgspec

from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Outcome, Provenance


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Of one launch.

    folder: below `runs`; key: of its point; step_time_s: median of the slowest ranks', 0 where it failed
    peak_rss_bytes: of its hungriest rank
    """

    folder: str
    key: str
    spec: RunSpec
    outcome: Outcome
    provenance: Provenance
    site: str
    launcher: str
    started_utc: str
    wall_s: float
    step_time_s: float
    peak_rss_bytes: int
    reason: str = ""


def summarised(record: RunRecord, folder: str) -> Summary:
    """The summary of a record that lies in `folder`."""
    steps = [max(times) for times in zip(*(rank.step_time_s for rank in record.ranks), strict=False)]
    return Summary(
        folder=folder,
        key=record.spec.key,
        spec=record.spec,
        outcome=record.outcome,
        provenance=record.provenance,
        site=record.site,
        launcher=record.launcher,
        started_utc=record.started_utc,
        wall_s=record.wall_s,
        step_time_s=statistics.median(steps) if steps and record.outcome is Outcome.OK else 0.0,
        peak_rss_bytes=max((rank.peak_rss_bytes for rank in record.ranks), default=0),
        reason=record.reason,
    )
