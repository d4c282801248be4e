"""From a profile of a real step, and a network, to what a curve is projected for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.projection import constants
from bench.projection.allreduce import Fabric
from bench.projection.constants import Constants
from bench.projection.published import HOROVOD_FUSION_BYTES
from bench.projection.step import Work


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
