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

COPIES_AND_ADDING = 1.75
"""Handling of a byte over what one worker alone has of it: two copies (into the fusion buffer and back), each of a read
and a write, are 4; adding is two reads and a write, 3 more."""

SMALL_BYTES = 4096
"""Up to here the size of a message does not matter."""


@dataclass(frozen=True, kw_only=True)
class MeasuredFabric:
    """A network by what exchanges on it took; workers are neighbours in one ring, whatever node they are on.

    latency_s: of one of the ring's 2 (N - 1) rounds
    node_bandwidth: bytes/s of a worker in each direction, its copying and adding included
    coordination_s: what two workers need to agree on an exchange, beyond what one needs by itself
    ring_coordination: they agree by a ring (Gloo), in N - 1 times that; else by doubling (MPI), in log2 N times
    handling_s_per_byte: of a core, for every byte that a worker exchanges: copying and adding
    shared_cores: of the machine that all workers are on, as the hosts of a lab are: they handle their bytes at the same
        moments, which takes the longer, the more of them there are; 0 where each has cores of its own
    """

    latency_s: Number
    node_bandwidth: Number
    coordination_s: Number
    ring_coordination: bool
    handling_s_per_byte: float = 0.0
    shared_cores: int = 0
    host: bool = True

    def allreduce_s(self, m: Number, workers: int, per_node: int) -> Number:
        """Seconds of one exchange of m bytes on N workers (Patarasuk & Yuan 2009, see `allreduce`)."""
        if workers == 1:
            return 0.0 * m
        agreeing = self.coordination_s * (workers - 1 if self.ring_coordination else np.log2(workers))
        rounds = 2 * (workers - 1) * self.latency_s
        queueing = max(workers / self.shared_cores - 1, 0) if self.shared_cores else 0
        handling = queueing * self.handling_s_per_byte * m
        return agreeing + rounds + 2 * (workers - 1) / workers * m / self.node_bandwidth + handling


@dataclass(frozen=True)
class Measured:
    """A fabric, and what an exchange costs a worker even when it is alone: waiting for Horovod's cycle, copying."""

    fabric: MeasuredFabric
    each_s: float


def fitted(alone: Times, together: Times, by_mpi: Times | None) -> Measured:
    """What exchanges of one worker and of two say of the network between the two.

    alone, together: through Horovod on 1 and on 2 workers; by_mpi: MPI's own on 2, None where there is no MPI

    The largest three messages give the slope (Theil and Sen's median of pairs); the constant is the median of what that
    leaves of all sizes. Of the constant, `each_s` is what one worker has as well. MPI sums its
    smallest messages in one round: that is `latency_s`, and what is left is coordination. Where there is no MPI the
    rest grows as N - 1 whichever of the two it is, so it is split in halves.

    What a byte costs a core is the slope of one worker, who copies and has nothing to add.

    Raises
    ------
    ValueError: fewer than two sizes
    """
    from scipy import stats  # half a second, which a projection without a calibration need not wait for

    if len(together) < 2:
        raise ValueError(f"{len(together)} message sizes on two workers: two or more are needed")
    sizes = np.array(sorted(together), float)
    medians = np.array([np.median(together[int(size)]) for size in sizes])
    slope = max(float(stats.theilslopes(medians[-3:], sizes[-3:]).slope), 1e-15)
    each = _small(alone)
    rest = max(float(np.median(medians - slope * sizes)) - each, 0.0)
    latency = min(_small(by_mpi), rest / 2) if by_mpi else rest / 4
    return Measured(
        MeasuredFabric(
            latency_s=latency,
            node_bandwidth=1 / slope,
            coordination_s=rest - 2 * latency,
            ring_coordination=not by_mpi,
            handling_s_per_byte=COPIES_AND_ADDING * _slope(alone),
        ),
        each,
    )


def _slope(times: Times) -> float:
    """Seconds a byte between the smallest messages and the largest."""
    small, large = min(times), max(times)
    return max(float(np.median(times[large])) - _small(times), 0.0) / max(large - small, 1)


def _small(times: Times) -> float:
    """Median seconds of messages so small that their size does not matter."""
    return float(np.median(np.concatenate([seconds for size, seconds in times.items() if size <= SMALL_BYTES])))
