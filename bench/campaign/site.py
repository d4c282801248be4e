"""A site: the machine that runs are placed on."""

from __future__ import annotations

import os
import re
from enum import Enum
from pathlib import Path

import msgspec
import psutil

from bench import REPOSITORY
from bench.campaign.files import named_file, read_toml
from deepgalaxy.errors import InputError
from deepgalaxy.placement import physical_cores
from deepgalaxy.runtime import Settings
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Device, Mode

WORKERS_PER_NODE = 4  # paper, section III.C
RANK_BASE_BYTES = 600 * 2**20
"""Memory of a TensorFlow + Horovod rank before it has a model, measured."""

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OPTION = re.compile(r"[a-z][a-z0-9-]*")

OURS = ("array", "job-name", "nodes", "ntasks-per-node", "cpus-per-task", "time", "output", "signal", "test-only")
"""Options of sbatch that follow from the campaign."""


class Launcher(str, Enum):
    """What starts the ranks. `local`: processes on this machine that exchange nothing."""

    LOCAL = "local"
    MPIRUN = "mpirun"  # Open MPI's
    MPICH = "mpich"
    INTELMPI = "intelmpi"
    HOROVODRUN = "horovodrun"
    SRUN = "srun"


class Scheduler(str, Enum):
    """What gives nodes to jobs."""

    NONE = "none"
    SLURM = "slurm"


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cores and memory are of one node; 0 means: detect.

    workers_per_node, cores_per_worker: how ranks share a node; 0 gives up to 4 workers a node
    (the paper's number) and shares the cores among them
    device: cpu, or gpu for one rank on each of a node's `gpus_per_node`
    environment: variables set for every rank; runtime: how ranks of runs that are not stock are set up
    modules: loaded at the start of a job
    scheduler_options: more options of sbatch, e.g. account or partition; "" for those without a value
    network: what connects the nodes, for the reader and the record
    minutes_per_point: how long a point is expected to take where none like it was measured
    max_job_hours: the longest job that the scheduler takes
    pmi: what srun starts ranks with (`--mpi`)
    """

    name: str
    description: str = ""
    launcher: Launcher = Launcher.MPIRUN
    nodes: int = 1
    cores_per_node: int = 0
    memory_per_node_bytes: int = 0
    workers_per_node: int = 0
    cores_per_worker: int = 0
    device: Device = Device.CPU
    gpus_per_node: int = 0
    network: str = ""
    environment: dict[str, str] = {}
    runtime: Settings = Settings()
    modules: list[str] = []
    scheduler: Scheduler = Scheduler.NONE
    scheduler_options: dict[str, str] = {}
    minutes_per_point: float = 5.0
    max_job_hours: float = 24.0
    pmi: str = "pmix"

    def __post_init__(self) -> None:
        for name in ("minutes_per_point", "max_job_hours"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"{name} {getattr(self, name)} is not above 0")
        for name in self.environment:
            if not VARIABLE.fullmatch(name):
                raise InputError(f"environment {name!r} is no name of a variable")
        for name in self.scheduler_options:
            if not OPTION.fullmatch(name):
                raise InputError(f"scheduler_options {name!r} is no option of sbatch; write account, not --account")
            if name in OURS:
                raise InputError(f"scheduler_options {name}: it follows from the campaign")
        texts = (*self.environment.values(), *self.modules, *self.scheduler_options.values())
        wrong = next((t for t in texts if not t.isprintable()), None)
        if wrong is not None:
            raise InputError(f"{wrong!r} holds characters that no line of a batch script can hold")

    @property
    def slots(self) -> int:
        """Ranks that can have cores of their own."""
        return self.nodes * self.workers_per_node

    def nodes_for(self, spec: RunSpec) -> int:
        """Nodes that a point occupies."""
        return -(-spec.workers // self.with_cores_per_worker(spec.cores_per_worker).workers_per_node)

    def with_cores_per_worker(self, cores: int) -> Site:
        """The site shared among workers of `cores` cores: fewer workers a node where these are more.

        Raises
        ------
        InputError: a node has not so many
        """
        if not 1 <= cores <= self.cores_per_node:
            raise InputError(f"cores per worker {cores} is outside 1 to {self.cores_per_node}, the node's cores")
        workers = min(self.workers_per_node, self.cores_per_node // cores)
        return msgspec.structs.replace(self, cores_per_worker=cores, workers_per_node=workers)

    def why_not(self, spec: RunSpec) -> str:
        """Why `spec` can't be measured here; empty when it can.

        Oversubscribed runs need no slot of their own, but their ranks' memory all the same.
        """
        if spec.cores_per_worker != self.cores_per_worker and not spec.oversubscribe:
            return self.with_cores_per_worker(spec.cores_per_worker).why_not(spec)
        if spec.workers > self.slots and not spec.oversubscribe:
            nodes = -(-spec.workers // self.workers_per_node)
            needs = f"{spec.workers} workers need {nodes} nodes of {self.workers_per_node} workers"
            has = f"{self.name} has {self.slots} {'slot' if self.slots == 1 else 'slots'}"
            return f"{needs}; {has} ({self.nodes} x {self.cores_per_node} cores, {self.cores_per_worker} a worker)"
        if self.launcher is Launcher.LOCAL and spec.workers > 1 and spec.exchange and spec.mode is Mode.TRAIN:
            return "launcher local starts processes that exchange nothing; training on several workers needs another"
        if spec.device is Device.GPU and spec.workers_per_node > self.gpus_per_node:
            return (
                f"{spec.workers_per_node} workers a node need a GPU each; {self.name} has {self.gpus_per_node} a node"
            )
        on_node = -(-spec.workers // self.nodes) if spec.oversubscribe else spec.workers_per_node
        if on_node * RANK_BASE_BYTES > self.memory_per_node_bytes:
            have = self.memory_per_node_bytes / 2**30
            return (
                f"{on_node} workers on a node need {on_node * RANK_BASE_BYTES / 2**30:.0f} GiB before they "
                f"have a model; a node of {self.name} has {have:.0f} GiB"
            )
        return ""


def load_site(name_or_file: str) -> Site:
    """A site by its name in jobs/sites or by its file, with what it leaves open detected.

    Raises
    ------
    InputError: no such site; unknown fields; impossible values
    """
    path = named_file(name_or_file, REPOSITORY / "jobs" / "sites", "site")
    return _detected(read_toml(path, Site), path)


def _detected(site: Site, path: Path) -> Site:
    if site.nodes > 1 and not (site.cores_per_node and site.memory_per_node_bytes):
        raise InputError(f"{path}: cores_per_node and memory_per_node_bytes are needed: other nodes can't be detected")
    cores = site.cores_per_node or len(physical_cores(os.sched_getaffinity(0)))
    workers = site.workers_per_node or site.gpus_per_node or min(WORKERS_PER_NODE, cores)
    each = site.cores_per_worker or max(1, cores // workers)
    for field in ("nodes", "cores_per_node", "memory_per_node_bytes", "workers_per_node", "cores_per_worker"):
        value = getattr(site, field)
        if value < (1 if field == "nodes" else 0):
            raise InputError(f"{path}: {field} {value} is too small")
    if workers * each > cores:
        raise InputError(f"{path}: {workers} workers of {each} cores do not fit the node's {cores} cores")
    return msgspec.structs.replace(
        site,
        cores_per_node=cores,
        workers_per_node=workers,
        cores_per_worker=each,
        memory_per_node_bytes=site.memory_per_node_bytes or psutil.virtual_memory().total,
    )
