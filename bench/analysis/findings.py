"""All that a report shows, from records: tables alone, no drawing and no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from bench.analysis.breakdown import breakdown_table
from bench.analysis.comparable import MATTERS
from bench.analysis.operators import first_steps
from bench.analysis.precision import precision_table
from bench.analysis.ranks import phase_table, skew_table
from bench.analysis.scaling import scaling_table
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Outcome

ALSO_TOLD = (
    "hostname",
    "memory_bytes",
    "frequency_mhz",
    "load_average",
    "python",
    "scheduler",
    "commit",
    "lock_sha256",
)
"""Facts of the environment that a reader wants to know, beside those that decide whether records compare."""


@dataclass(frozen=True)
class Findings:
    """Of one campaign.

    points: `scaling_table`, with rows of elsewhere below
    precisions, breakdown, skew, phases, first_steps: see their modules
    facts: name -> the values that records have; failures: launches that did not end well
    pending: points that were asked for and have no record yet
    """

    points: pd.DataFrame
    precisions: pd.DataFrame
    breakdown: pd.DataFrame
    skew: pd.DataFrame
    phases: pd.DataFrame
    first_steps: pd.DataFrame
    facts: dict[str, list[Any]]
    failures: list[RunRecord]
    pending: list[str]


def find(
    records: Sequence[RunRecord],
    baseline_workers: int,
    *,
    planned: Sequence[RunSpec] = (),
    elsewhere: pd.DataFrame | None = None,
) -> Findings:
    """Everything about these records.

    elsewhere: rows in `scaling_table`'s columns that were not measured here (projected, published); they are shown
        beside the others and enter no mean, interval or baseline
    """
    points = scaling_table(records, baseline_workers)
    if elsewhere is not None and not elsewhere.empty:
        points = pd.concat([points, elsewhere.reindex(columns=points.columns.union(elsewhere.columns, sort=False))])
        points = points.reset_index(drop=True)
        points["oversubscribed"] = points["oversubscribed"].eq(True)  # elsewhere's may not tell
        points["baseline_workers"] = baseline_workers  # what one of elsewhere's is relative to, its note tells
    run = {record.spec.key for record in records}
    phases = phase_table(records)
    return Findings(
        points=points,
        precisions=precision_table(records),
        breakdown=breakdown_table(records),
        skew=skew_table(records),
        phases=phases,
        first_steps=first_steps(phases),
        facts=_facts(records),
        failures=[r for r in records if r.outcome is not Outcome.OK],
        pending=[spec.name for spec in planned if spec.key not in run],
    )


def _facts(records: Sequence[RunRecord]) -> dict[str, list[Any]]:
    """Each fact's different values, those of records without it left out."""
    found: dict[str, list[Any]] = {}
    for name in (*ALSO_TOLD[:1], *MATTERS, *ALSO_TOLD[1:]):
        for record in records:
            value = record.machine.get(name)
            if value not in (None, "") and value not in found.setdefault(name, []):
                found[name].append(value)
    return {name: values for name, values in found.items() if values}
