"""What no published record states, by class of fabric and device: a value, and by what factor it may be off.

Most follow from hardware; those marked `joint` were adjusted together on all shipped records
(`bench.projection.joint`), never on one, and what that is worth is told by leaving each source out in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Constants:
    """Each a number, or draws of it.

    tcp_share, rdma_share: of the wire's rate that an exchange reaches over sockets, or over RDMA (joint)
    socket_bandwidth: most that sockets carry, bytes/s: copies in the kernel (joint)
    host_share: of the wire's rate that MPI reaches on host memory (joint)
    staging_bandwidth: bytes/s between the devices of a node and host memory, PCIe 3 with all of them at it
    jitter_gpu, jitter_cpu: standard deviation of a step (joint; on CPUs the operating system's work counts, too)
    contention: of workers that share a node (joint)
    stolen: share of the exchange's time that computing loses (joint)
    cycle_s: Horovod's, 5 ms until version 0.20, 1 ms since (its documentation)
    """

    tcp_share: float | NDArray[np.float64] = 0.61
    rdma_share: float | NDArray[np.float64] = 0.93
    socket_bandwidth: float | NDArray[np.float64] = 4.8e9
    host_share: float | NDArray[np.float64] = 0.90
    staging_bandwidth: float | NDArray[np.float64] = 20e9
    jitter_gpu: float | NDArray[np.float64] = 0.023
    jitter_cpu: float | NDArray[np.float64] = 0.045
    contention: float | NDArray[np.float64] = 0.03
    stolen: float | NDArray[np.float64] = 0.065
    cycle_s: float | NDArray[np.float64] = 0.005


PRIOR = Constants(
    tcp_share=0.60,
    rdma_share=0.80,
    socket_bandwidth=4e9,
    jitter_gpu=0.02,
    jitter_cpu=0.03,
    contention=0.035,
    stolen=0.10,
)
"""Before they were adjusted: by hardware and experience, though not in ignorance of the records."""

SPREAD = {
    "tcp_share": 1.25,
    "rdma_share": 1.12,
    "socket_bandwidth": 1.4,
    "host_share": 1.3,
    "staging_bandwidth": 1.5,
    "jitter_gpu": 1.6,
    "jitter_cpu": 2.0,
    "contention": 1.8,
    "stolen": 1.6,
    "cycle_s": 1.5,
}
"""Factors that hold one standard deviation of each."""


def drawn(constants: Constants, rng: np.random.Generator, draws: int) -> Constants:
    """The constants as log-normal draws, (draws,) each."""
    values = {}
    for field in fields(constants):
        factor = np.exp(np.log(SPREAD[field.name]) * rng.standard_normal(draws))
        values[field.name] = getattr(constants, field.name) * factor
    for share in ("tcp_share", "rdma_share", "host_share"):
        values[share] = np.minimum(values[share], 1.0)
    return Constants(**values)


LOCAL = {
    "nvlink": (6e-6, 60e9),
    "pcie": (8e-6, 9e9),
    "cpu": (1e-6, 8e9),
}
"""Latency [s] and bandwidth [bytes/s] between workers of a node: NVLink rings (NCCL), PCIe 3 x16, shared memory."""

REDUCTION_BANDWIDTH = 8e9
"""Bytes/s that one core adds up: two reads and a write of memory."""

FABRICS: dict[str, tuple[float, float]] = {
    "tcp": (30e-6, 10.0),
    "rdma": (2e-6, 100.0),
}
"""Latency [s] and rate [Gbit/s] of a node where a record states none."""

FRONT_LOADING = {
    "vgg": 0.10,
    "alexnet": 0.10,
    "resnet": 0.50,
    "inception": 0.60,
    "efficientnet": 0.50,
    "densenet": 0.70,
    "mobilenet": 0.50,
    "bert": 0.95,
    "gpt": 0.95,
    "transformer": 0.95,
}
"""How early gradients are ready: from where the parameters lie and where the arithmetic is. VGG's dense layers, nine
tenths of its parameters, take a few per cent of the backward pass, which begins with them; ResNets have half of theirs
in the last stage, a fifth of the pass; equal blocks (transformers) deliver evenly. Others: as ResNet."""


def front_loading_of(network: str) -> float | None:
    """How early the gradients of a network are ready, by its name; None for one of no known family."""
    name = network.lower().replace("-", "")
    return next((value for known, value in FRONT_LOADING.items() if known in name), None)


PARAMETERS = {
    "vgg16": 138.4e6,
    "vgg19": 143.7e6,
    "alexnet": 61e6,
    "resnet50": 25.6e6,
    "resnet101": 44.5e6,
    "resnet152": 60.2e6,
    "inceptionv3": 23.8e6,
    "efficientnetb0": 5.3e6,
    "efficientnetb4": 19.3e6,
    "efficientnetb7": 66.7e6,
    "densenet121": 8.0e6,
    "mobilenet": 4.2e6,
    "bertbase": 110e6,
    "bertlarge": 340e6,
    "gpt2": 1.5e9,
}
"""For records that state neither gradients' bytes nor parameters."""
