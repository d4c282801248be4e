"""From a profile of a real step and a network, or from a calibration, to what a curve is projected for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bench.projection import constants
from bench.projection.allreduce import Fabric
from bench.projection.constants import Constants
from bench.projection.curve import Machine
from bench.projection.exchange import fitted
from bench.projection.published import HOROVOD_FUSION_BYTES
from bench.projection.step import Work

if TYPE_CHECKING:  # it loads pandas, and a projection without a calibration takes less time than that
    from bench.analysis.calibration import Calibration

CALIBRATED_SPREAD = 1.05
"""Of a network that exchanges were timed on, see `Machine`."""


def work_from(
    compute_s: float,
    gradients: Sequence[tuple[int, float]],
    backward_s: float,
    jitter: float,
    *,
    fp16: bool = False,
    fusion_bytes: float = HOROVOD_FUSION_BYTES,
    cycle_s: float = 0.001,
) -> Work:
    """Work of one worker.

    gradients: (elements, seconds from the begin of the backward pass until ready), as profiled; jitter: of its steps
    """
    known = Constants()
    sizes = np.array([elements for elements, _ in gradients], float)
    times = np.array([ready for _, ready in gradients]) / backward_s
    # The exponent whose curve is ready as early as the profile's, on average over bytes: 1 / (1 + a) of the pass.
    mean = float(np.sum(sizes * (1 - np.clip(times, 0, 1))) / sizes.sum())
    front_loading = float(np.clip(1 / max(mean, 1e-3) - 1, 0.02, 20))
    return Work(
        compute_s=compute_s,
        gradient_bytes=float(sizes.sum() * (2 if fp16 else 4)),
        front_loading=front_loading,
        cycle_s=cycle_s,
        fusion_bytes=fusion_bytes,
        jitter=jitter,
        node_share=0.5,
        contention=known.contention,
        stolen=known.stolen,
    )


def fabric_of(latency_s: float, wire_bytes_per_s: float, *, sockets: bool, host: bool, gpu: bool) -> Fabric:
    """A fabric by its latency and rate; host: MPI on host memory, else NCCL's rings; gpu: what workers compute on."""
    known = Constants()
    share = known.host_share if host else known.tcp_share if sockets else known.rdma_share
    reached = wire_bytes_per_s * share
    if sockets and not host:
        reached = min(reached, known.socket_bandwidth)
    local_latency_s, local_bandwidth = constants.LOCAL["pcie" if gpu else "cpu"]
    return Fabric(
        latency_s=latency_s,
        node_bandwidth=reached,
        local_latency_s=local_latency_s,
        local_bandwidth=local_bandwidth,
        reduction_bandwidth=constants.REDUCTION_BANDWIDTH,
        staging_bandwidth=known.staging_bandwidth if host and gpu else 0.0,
        host=host,
    )


def calibrated(calibration: Calibration, work: Work, batch_size: int, per_node: int, network: Fabric | None) -> Machine:
    """The machine of a calibration; of `work`, what was measured there is taken from it.

    network: between nodes, where both calibrated workers were on one; None where all that is projected is on one
        node as well, or where they were on two
    """
    measured = fitted(calibration.alone, calibration.together, calibration.by_mpi or None)
    work = replace(
        work, cycle_s=measured.each_s, stolen=calibration.computing_lost, contention=_contention(calibration)
    )
    if calibration.beside_step_time_s:
        beside = np.array(calibration.beside_step_time_s)
        jitter = max(float(beside.std() / beside.mean()), float(work.jitter))
        work = replace(work, jitter=jitter)
    fabric = measured.fabric
    if calibration.nodes > 1 or network is None:
        return Machine(
            work=work, fabric=fabric, per_node=per_node, batch_size=batch_size, network_spread=CALIBRATED_SPREAD
        )
    near = replace(
        network,
        local_latency_s=fabric.latency_s,
        local_bandwidth=fabric.node_bandwidth,
        reduction_bandwidth=float("inf"),  # adding is in the bandwidth that was measured
    )
    return Machine(work=work, fabric=near, per_node=per_node, batch_size=batch_size)


def _contention(calibration: Calibration) -> float:
    """Share by which computing slows down on a full node, see `Work`: two workers bear half of it.

    The constant of other machines where no two workers were on one node.
    """
    if not calibration.beside_step_time_s:
        return float(Constants().contention)
    slowed = float(np.mean(calibration.beside_step_time_s) / np.mean(calibration.step_time_s))
    return max(0.0, 2 * (slowed - 1))


def summary_of(calibration: Calibration) -> dict[str, str | float]:
    """What a calibration says, with units."""
    measured = fitted(calibration.alone, calibration.together, calibration.by_mpi or None)
    steps = np.array(calibration.step_time_s)
    return {
        "provenance": calibration.provenance.value,
        "transport": calibration.transport,
        "nodes": float(calibration.nodes),
        "step_time_s": float(steps.mean()),
        "step_jitter": float(steps.std() / steps.mean()),
        "contention": _contention(calibration),
        "computing_lost": calibration.computing_lost,
        "each_exchange_s": measured.each_s,
        "latency_s": float(measured.fabric.latency_s),
        "coordination_s": float(measured.fabric.coordination_s),
        "bandwidth_bytes_per_s": float(measured.fabric.node_bandwidth),
    }
