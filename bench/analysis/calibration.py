"""What two runs say of a machine for a projection: a step of one worker, and exchanges of one and of several."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from bench.analysis.scaling import steady_steps
from deepgalaxy.errors import InputError
from deepgalaxy.profile import ComputeProfile
from deepgalaxy.record import RankRecord, RunRecord
from deepgalaxy.words import Provenance

SCHEMA_VERSION = 1


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Raw, as measured; `bench.projection.inputs` makes a model's inputs of it.

    provenance: of the runs that it comes of; nodes: that the two workers were on
    step_time_s: of one worker, steady; profile: when in such a step gradients are ready, scaled to it
    computing_lost: share of computing that an exchange takes while it goes on
    alone, together, by_mpi: seconds by message size in bytes, of one worker, of two, and of two by MPI without Horovod
    beside_step_time_s: of a worker beside another on its node, without exchange: they share memory and caches. Empty
        where the two were on nodes of their own
    """

    provenance: Provenance
    site: str
    launcher: str
    transport: str
    nodes: int
    backbone: str
    resolution: int
    batch_size: int
    step_time_s: list[float]
    computing_lost: float
    profile: ComputeProfile
    alone: dict[int, list[float]]
    together: dict[int, list[float]]
    by_mpi: dict[int, list[float]]
    machine: dict[str, Any]
    beside_step_time_s: list[float] = []
    schema: int = SCHEMA_VERSION


def calibration_of(
    ones: Sequence[RunRecord], twos: Sequence[RunRecord], profile: ComputeProfile, beside: Sequence[RunRecord] = ()
) -> Calibration:
    """From launches of one worker and of two, both with `allreduce_rounds`, and of two that exchange nothing.

    Raises
    ------
    InputError: a launch that failed, or measured no exchanges, or is of another number of workers
    """
    for record, workers in [*((one, 1) for one in ones), *((two, 2) for two in twos)]:
        if not record.ranks or not all(rank.exchanges for rank in record.ranks):
            raise InputError(
                f"{record.spec.name} ended as {record.outcome.value} without timed exchanges: {record.reason}"
            )
        if record.spec.workers != workers:
            raise InputError(f"a run of {record.spec.workers} workers stands where one of {workers} is needed")
    if failed := [record for record in beside if not record.ranks]:
        raise InputError(f"{failed[0].spec.name} ended as {failed[0].outcome.value}: {failed[0].reason}")
    one, two = ones[0], twos[0]
    ranks = [rank for record in twos for rank in record.ranks]
    return Calibration(
        provenance=two.provenance,
        site=two.site,
        launcher=two.launcher,
        transport=two.ranks[0].checks["transport"],
        nodes=len({rank.hostname for rank in two.ranks}),
        backbone=one.spec.backbone,
        resolution=one.spec.resolution,
        batch_size=one.spec.batch_size,
        step_time_s=_steps(ones),
        computing_lost=float(np.mean([rank.computing_lost for rank in ranks])),
        profile=profile,
        alone=_times([rank for record in ones for rank in record.ranks], "horovod"),
        together=_times(ranks, "horovod"),
        by_mpi=_times(ranks, "mpi"),
        machine=two.machine,
        beside_step_time_s=_steps(beside),
    )


def _steps(records: Sequence[RunRecord]) -> list[float]:
    """Steady steps of all launches and ranks, seconds."""
    return [float(seconds) for record in records for seconds in steady_steps(record).ravel()]


def _times(ranks: list[RankRecord], way: str) -> dict[int, list[float]]:
    """Seconds by message size, all ranks' together."""
    found: dict[int, list[float]] = defaultdict(list)
    for rank in ranks:
        for timed in rank.exchanges:
            if timed.way == way:
                found[timed.message_bytes] += timed.time_s
    return dict(found)
