"""What two runs say of a machine for a projection: a step of one worker, and exchanges of one and of several."""

from __future__ import annotations

from collections import defaultdict
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
    one: RunRecord, two: RunRecord, profile: ComputeProfile, beside: RunRecord | None = None
) -> Calibration:
    """From a run of one worker and of two, both with `allreduce_rounds`, and of two that exchange nothing.

    Raises
    ------
    InputError: a run that failed, or measured no exchanges, or is of another number of workers
    """
    for record, workers in ((one, 1), (two, 2)):
        if not record.ranks or not all(rank.exchanges for rank in record.ranks):
            raise InputError(
                f"{record.spec.name} ended as {record.outcome.value} without timed exchanges: {record.reason}"
            )
        if record.spec.workers != workers:
            raise InputError(f"a run of {record.spec.workers} workers stands where one of {workers} is needed")
    if beside and not beside.ranks:
        raise InputError(f"{beside.spec.name} ended as {beside.outcome.value}: {beside.reason}")
    return Calibration(
        provenance=two.provenance,
        site=two.site,
        launcher=two.launcher,
        transport=two.ranks[0].checks["transport"],
        nodes=len({rank.hostname for rank in two.ranks}),
        backbone=one.spec.backbone,
        resolution=one.spec.resolution,
        batch_size=one.spec.batch_size,
        step_time_s=steady_steps(one).ravel().tolist(),
        computing_lost=float(np.mean([rank.computing_lost for rank in two.ranks])),
        profile=profile,
        alone=_times(one.ranks, "horovod"),
        together=_times(two.ranks, "horovod"),
        by_mpi=_times(two.ranks, "mpi"),
        machine=two.machine,
        beside_step_time_s=steady_steps(beside).ravel().tolist() if beside else [],
    )


def _times(ranks: list[RankRecord], way: str) -> dict[int, list[float]]:
    """Seconds by message size, all ranks' together."""
    found: dict[int, list[float]] = defaultdict(list)
    for rank in ranks:
        for timed in rank.exchanges:
            if timed.way == way:
                found[timed.message_bytes] += timed.time_s
    return dict(found)
