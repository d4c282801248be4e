"""A site: the machine that runs are placed on."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

import msgspec
import psutil

from bench import REPOSITORY
from bench.campaign.files import named_file, read_toml
from deepgalaxy.errors import InputError
from deepgalaxy.placement import physical_cores
from deepgalaxy.spec import RunSpec

WORKERS_PER_NODE = 4  # paper, section III.C
RANK_BASE_BYTES = 600 * 2**20
"""Memory of a TensorFlow + Horovod rank before it has a model, measured."""


class Launcher(str, Enum):
    """What starts the ranks."""

    MPIRUN = "mpirun"
    HOROVODRUN = "horovodrun"


class Site(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cores and memory are of one node; 0 means: detect.

    workers_per_node, cores_per_worker: how ranks share a node; 0 gives up to 4 workers a node
    (the paper's number) and shares the cores among them
    environment: variables set for every rank
    """

    name: str
    description: str = ""
    launcher: Launcher = Launcher.MPIRUN
    nodes: int = 1
    cores_per_node: int = 0
    memory_per_node_bytes: int = 0
    workers_per_node: int = 0
    cores_per_worker: int = 0
    environment: dict[str, str] = {}

    @property
    def slots(self) -> int:
        """Ranks that can have cores of their own."""
        return self.nodes * self.workers_per_node

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
        on_node = -(-spec.workers // self.nodes)
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
    cores = site.cores_per_node or len(physical_cores(os.sched_getaffinity(0)))
    workers = site.workers_per_node or min(WORKERS_PER_NODE, cores)
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
