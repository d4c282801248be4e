"""A training step on N workers: computing, contention, stragglers, and the exchange that computing does not hide."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from bench.projection.allreduce import Fabric, Number
from bench.projection.exchange import MeasuredFabric

FORWARD_SHARE = 1 / 3
"""Of a step's computing: the backward pass computes two products where the forward one computes one."""

MOST_ROUNDS = 400
ROUNDS_A_PASS = 48
"""The exchange is followed at least so finely; a shorter cycle changes nothing that the result could show."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """A step on one worker that is alone.

    compute_s: forward and backward pass, update
    gradient_bytes: that are exchanged
    front_loading: a share x of the backward pass makes the share x ** front_loading of all gradient bytes ready;
        below 1 where the large layers are near the output and so come first
    cycle_s, fusion_bytes: Horovod's cycle time and fusion threshold
    jitter: standard deviation of a worker's step, as a share of it
    node_share: of that jitter's variance, what workers of a node have in common
    contention: share by which computing slows down where many workers share a node
    stolen: share of the exchange's time that it takes away from computing
    """

    compute_s: Number
    gradient_bytes: Number
    front_loading: Number
    cycle_s: Number
    fusion_bytes: float
    jitter: Number
    node_share: float
    contention: Number
    stolen: Number


@dataclass(frozen=True)
class Step:
    """Seconds; `total_s` is the sum of the others."""

    total_s: Number
    compute_s: Number
    contention_s: Number
    stragglers_s: Number
    exchange_s: Number


AnyFabric = Fabric | MeasuredFabric

TERMS = ("compute_s", "contention_s", "stragglers_s", "exchange_s")


def step(workers: int, per_node: int, work: Work, fabric: AnyFabric) -> Step:
    """The step's time and where it goes."""
    on_node = min(workers, per_node)
    contention = work.compute_s * work.contention * (on_node - 1) / on_node
    slowed = work.compute_s + contention
    stragglers = slowed * work.jitter * expected_maximum(workers, on_node, work.node_share)
    exchange = unhidden_s(workers, per_node, work, fabric, slowed)
    return Step(slowed + stragglers + exchange, work.compute_s, contention, stragglers, exchange)


def expected_maximum(workers: int, per_node: int, node_share: float) -> float:
    """Of N standard normal delays, those of a node alike in `node_share` of their variance; standard deviations.

    The slowest of n by Blom's approximation (Blom 1958, "Statistical estimates and transformed beta-variables"),
    within nodes and over nodes. Where each node has one worker, nothing is in common.
    """
    if per_node == 1:
        return _slowest(workers)
    nodes = -(-workers // per_node)
    return float(np.sqrt(node_share) * _slowest(nodes) + np.sqrt(1 - node_share) * _slowest(workers))


def _slowest(n: int) -> float:
    return float(ndtri((n - 0.375) / (n + 0.25))) if n > 1 else 0.0


def unhidden_s(workers: int, per_node: int, work: Work, fabric: AnyFabric, compute_s: Number) -> Number:
    """Seconds from the end of computing to the last average; what the exchange steals from computing included.

    Horovod's rule, followed in time: once a cycle, if no exchange is under way, all gradients that are ready are fused
    up to the threshold and exchanged (Sergeev & Del Balso 2018, arXiv:1802.05799, section 4).
    """
    if workers == 1:
        return 0.0 * (compute_s + work.gradient_bytes)
    shape = np.broadcast(compute_s, work.gradient_bytes, work.cycle_s, fabric.node_bandwidth).shape
    compute = np.broadcast_to(np.asarray(compute_s, float), shape)
    begin, length = FORWARD_SHARE * compute, (1 - FORWARD_SHARE) * compute
    cycle = np.maximum(work.cycle_s, length / ROUNDS_A_PASS)
    now, sent, busy = begin.copy(), np.zeros(shape), np.zeros(shape)
    total = np.broadcast_to(np.asarray(work.gradient_bytes, float), shape)
    for _ in range(MOST_ROUNDS):
        left = sent < total * (1 - 1e-9)
        if not left.any():
            break
        now = np.where(left, now + cycle, now)
        ready = total * np.clip((now - begin) / length, 0, 1) ** work.front_loading
        chunk = np.where(left, np.minimum(ready - sent, work.fusion_bytes), 0.0)
        taken = np.where(chunk > 0, fabric.allreduce_s(np.maximum(chunk, 1.0), workers, per_node), 0.0)
        now, sent, busy = now + taken, sent + chunk, busy + taken
    # What is left after so many rounds is exchanged at the pace so far.
    late = now + busy * np.where(sent > 0, (total - sent) / np.maximum(sent, 1.0), 0.0)
    unhidden: NDArray[np.float64] = np.maximum(late - compute, 0.0) + work.stolen * np.minimum(busy, length)
    return unhidden


def efficiency(workers: int, baseline: int, per_node: int, work: Work, fabric: AnyFabric) -> Number:
    """Throughput a worker over that at the baseline count, at the same local batch (weak scaling)."""
    return step(baseline, per_node, work, fabric).total_s / step(workers, per_node, work, fabric).total_s


def alone(work: Work, fabric: AnyFabric, baseline: int, per_node: int, step_s: float) -> Work:
    """The work whose step at the baseline count takes `step_s`: a baseline of several has their overhead in it."""
    for _ in range(4 if baseline > 1 else 0):
        work = replace(work, compute_s=work.compute_s * step_s / step(baseline, per_node, work, fabric).total_s)
    return work
