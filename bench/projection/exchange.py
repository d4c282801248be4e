"""From exchanges that were timed on one and on two workers to what they would take on more.

The laws are those of `bench.projection.allreduce`; what a message costs is measured here and not assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.projection.allreduce import Number

Times = Mapping[int, Sequence[float]]
"""Seconds of exchanges by message size, bytes."""

SMALL_BYTES = 4096
"""Up to here the size of a message does not matter."""


@dataclass(frozen=True, kw_only=True)
class MeasuredFabric:
    """A network by what exchanges on it took; workers are neighbours in one ring, whatever node they are on.

    latency_s: of one of the ring's 2 (N - 1) rounds
    node_bandwidth: bytes/s of a worker in each direction, its copying and adding included
    coordination_s: what two workers need to agree on an exchange, beyond what one needs by itself
    ring_coordination: they agree by a ring (Gloo), in N - 1 times that; else by doubling (MPI), in log2 N times
    """

    latency_s: Number
    node_bandwidth: Number
    coordination_s: Number
    ring_coordination: bool
    host: bool = True

    def allreduce_s(self, m: Number, workers: int, per_node: int) -> Number:
        """Seconds of one exchange of m bytes on N workers (Patarasuk & Yuan 2009, see `allreduce`)."""
        if workers == 1:
            return 0.0 * m
        agreeing = self.coordination_s * (workers - 1 if self.ring_coordination else np.log2(workers))
        rounds = 2 * (workers - 1) * self.latency_s
        return agreeing + rounds + 2 * (workers - 1) / workers * m / self.node_bandwidth


@dataclass(frozen=True)
class Measured:
    """A fabric, and what an exchange costs a worker even when it is alone: waiting for Horovod's cycle, copying."""

    fabric: MeasuredFabric
    each_s: float


def fitted(alone: Times, together: Times, by_mpi: Times | None) -> Measured:
    """What exchanges of one worker and of two say of the network between the two.

    alone, together: through Horovod on 1 and on 2 workers; by_mpi: MPI's own on 2, None where there is no MPI

    A line through the medians, each weighing as its inverse so that relative errors count, splits the exchange of two
    into a constant and a slope. Of the constant, `each_s` is what one worker has as well. MPI sums its
    smallest messages in one round: that is `latency_s`, and what is left is coordination. Where there is no MPI the
    rest grows as N - 1 whichever of the two it is, so it is split in halves.

    Raises
    ------
    ValueError: fewer than two sizes
    """
    if len(together) < 2:
        raise ValueError(f"{len(together)} message sizes on two workers: two or more are needed")
    sizes = np.array(sorted(together), float)
    medians = np.array([np.median(together[int(size)]) for size in sizes])
    slope, constant = np.polyfit(sizes, medians, 1, w=1 / medians)
    each = _small(alone)
    rest = max(float(constant) - each, 0.0)
    latency = min(_small(by_mpi), rest / 2) if by_mpi else rest / 4
    return Measured(
        MeasuredFabric(
            latency_s=latency,
            node_bandwidth=1 / max(float(slope), 1e-15),
            coordination_s=rest - 2 * latency,
            ring_coordination=not by_mpi,
        ),
        each,
    )


def _small(times: Times) -> float:
    """Median seconds of messages so small that their size does not matter."""
    return float(np.median(np.concatenate([seconds for size, seconds in times.items() if size <= SMALL_BYTES])))
