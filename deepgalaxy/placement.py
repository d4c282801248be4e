"""Which cores a rank computes on: the one place that maps ranks to cores."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

LOCAL_RANK_VARIABLES = (
    "OMPI_COMM_WORLD_LOCAL_RANK",  # Open MPI
    "HOROVOD_LOCAL_RANK",  # horovodrun over Gloo
    "MPI_LOCALRANKID",  # MPICH, Intel MPI
    "SLURM_LOCALID",  # srun
)


RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "HOROVOD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")
SIZE_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "HOROVOD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS")
LOCAL_SIZE_VARIABLES = ("OMPI_COMM_WORLD_LOCAL_SIZE", "HOROVOD_LOCAL_SIZE", "MPI_LOCALNRANKS")


def local_rank(environment: Mapping[str, str]) -> int:
    """Number of this rank on its node, from what the launcher set; 0 without a launcher."""
    return _first(environment, LOCAL_RANK_VARIABLES, 0)


def announced_rank(environment: Mapping[str, str]) -> int:
    """Number of this rank as its launcher gave it, known before anything is imported; 0 without a launcher."""
    return _first(environment, RANK_VARIABLES, 0)


def announced_size(environment: Mapping[str, str]) -> int:
    """How many ranks the launcher started; 1 without a launcher."""
    return _first(environment, SIZE_VARIABLES, 1)


def local_size(environment: Mapping[str, str]) -> int:
    """How many ranks share this node; 1 without a launcher that tells."""
    return _first(environment, LOCAL_SIZE_VARIABLES, 1)


def _first(environment: Mapping[str, str], names: Iterable[str], default: int) -> int:
    return next((int(environment[name]) for name in names if name in environment), default)


def cores_of_rank(cores: Sequence[int], rank_on_node: int, cores_per_worker: int) -> set[int]:
    """The cores of one rank out of the node's `cores`: neighbours, and no core twice.

    More ranks than fit begin again at the first core (an oversubscribed run).
    """
    slots = max(1, len(cores) // cores_per_worker)
    first = rank_on_node % slots * cores_per_worker
    return set(cores[first : first + cores_per_worker])


def physical_cores(cpus: set[int], sysfs: Path = Path("/sys/devices/system/cpu")) -> list[int]:
    """One CPU number per physical core among `cpus`, ordered by socket so that neighbours share caches."""
    seen: dict[tuple[int, int], int] = {}
    for cpu in sorted(cpus):
        topology = sysfs / f"cpu{cpu}" / "topology"
        try:
            core = (
                int((topology / "physical_package_id").read_text()),
                int((topology / "core_id").read_text()),
            )
        except OSError:  # no topology here: count every CPU as a core
            core = (0, cpu)
        seen.setdefault(core, cpu)
    return [seen[core] for core in sorted(seen)]


def bind(cores_per_worker: int) -> list[int]:
    """Bind this process, and every thread it will start, to its cores; returns them.

    A launcher that has already bound the rank to no more cores than it should have is left its way.
    """
    allowed = os.sched_getaffinity(0)
    cores = physical_cores(allowed)
    if len(cores) > cores_per_worker:
        os.sched_setaffinity(0, cores_of_rank(cores, local_rank(os.environ), cores_per_worker))
    return sorted(os.sched_getaffinity(0))
