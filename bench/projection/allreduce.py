"""How long an allreduce of m bytes takes on N workers, w of them a node, by the algorithms that libraries use.

Cost models after Thakur, Rabenseifner & Gropp 2005 (Int. J. High Perf. Comput. Appl. 19, 49) and Patarasuk & Yuan 2009
(J. Parallel Distrib. Comput. 69, 117): latency times rounds, plus bytes over bandwidth, plus bytes over the speed
of adding. What is shared by the workers of a node, its link above all, is divided among them. Every number may also
be an array of draws; results then have its shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Number = Any
"""A float, or draws of it: an array."""


@dataclass(frozen=True, kw_only=True)
class Fabric:
    """What messages travel over.

    latency_s: of one message between nodes, software included
    node_bandwidth: of a node's link in each direction, bytes/s, as far as it is used (not the wire's rate)
    local_latency_s, local_bandwidth: between workers of one node, bytes/s
    reduction_bandwidth: bytes/s that one worker adds up
    staging_bandwidth: bytes/s between devices and host memory that the workers of a node share; 0: nothing is staged
    host: the exchange is MPI's on host memory, whose workers each send for themselves; else rings, as NCCL's
    """

    latency_s: Number
    node_bandwidth: Number
    local_latency_s: Number
    local_bandwidth: Number
    reduction_bandwidth: Number
    staging_bandwidth: Number
    host: bool

    def allreduce_s(self, m: Number, workers: int, per_node: int) -> Number:
        """Seconds of one exchange of m bytes, by the algorithm that a library would choose."""
        return allreduce_s(m, workers, per_node, self)


SMALL_MESSAGE_BYTES = 16_384
"""Below it MPI libraries change to an algorithm of few rounds (Thakur et al. 2005, section 4.4: 2 to 16 kB)."""


def ring(m: Number, workers: int, per_node: int, fabric: Fabric) -> Number:
    """All workers in one ring that enters and leaves each node once: 2 (N - 1) rounds of m / N bytes."""
    if workers == 1:
        return 0.0 * m
    nodes = -(-workers // per_node)
    share = 2 * (workers - 1) / workers * m
    if nodes == 1:
        return 2 * (workers - 1) * fabric.local_latency_s + share / fabric.local_bandwidth
    slowest = np.minimum(fabric.node_bandwidth, fabric.local_bandwidth) if per_node > 1 else fabric.node_bandwidth
    rounds = 2 * (nodes - 1) * fabric.latency_s + 2 * (workers - nodes) * fabric.local_latency_s
    return rounds + share / slowest


def halving_doubling(m: Number, workers: int, per_node: int, fabric: Fabric) -> Number:
    """Recursive halving, then doubling (Rabenseifner): 2 log2 N rounds; in the far ones all workers share the link."""
    if workers == 1:
        return 0.0 * m
    nodes = -(-workers // per_node)
    on_node = min(workers, per_node)
    far, near = np.log2(nodes), np.log2(on_node)
    across = 2 * on_node * (1 - 1 / nodes) * m / fabric.node_bandwidth if nodes > 1 else 0.0 * m
    within = 2 * (1 - 1 / on_node) * m / nodes / fabric.local_bandwidth
    adding = (1 - 1 / workers) * m / fabric.reduction_bandwidth
    return 2 * far * fabric.latency_s + 2 * near * fabric.local_latency_s + across + within + adding


def recursive_doubling(m: Number, workers: int, per_node: int, fabric: Fabric) -> Number:
    """Whole messages exchanged log2 N times: the fewest rounds, for short messages."""
    if workers == 1:
        return 0.0 * m
    nodes = -(-workers // per_node)
    on_node = min(workers, per_node)
    far, near = np.log2(nodes), np.log2(on_node)
    across = far * (fabric.latency_s + on_node * m / fabric.node_bandwidth) if nodes > 1 else 0.0 * m
    within = near * (fabric.local_latency_s + m / fabric.local_bandwidth)
    return across + within + np.log2(workers) * m / fabric.reduction_bandwidth


def hierarchical(m: Number, workers: int, per_node: int, fabric: Fabric) -> Number:
    """Ring within each node, ring of one worker a node, and back: the link carries 2 (n - 1) / n of m once."""
    nodes = -(-workers // per_node)
    on_node = min(workers, per_node)
    inside = ring(m, on_node, on_node, fabric)
    return inside if nodes == 1 else inside + ring(m, nodes, 1, fabric)


def allreduce_s(m: Number, workers: int, per_node: int, fabric: Fabric) -> Number:
    """Seconds of one allreduce as the libraries choose: NCCL a ring, or two levels where that is faster; MPI by size.

    NCCL's trees save rounds as the two levels do (Jeaugey 2019, "Massively scale your deep learning training with NCCL
    2.4").
    """
    if not fabric.host:
        return np.minimum(ring(m, workers, per_node, fabric), hierarchical(m, workers, per_node, fabric))
    long = halving_doubling(m, workers, per_node, fabric)
    short = recursive_doubling(m, workers, per_node, fabric)
    staged = 2 * min(workers, per_node) * m / fabric.staging_bandwidth if np.any(fabric.staging_bandwidth) else 0.0 * m
    return np.where(np.asarray(m) < SMALL_MESSAGE_BYTES, short, long) + staged
