"""Measure what a projection must know of this machine: steps of one worker, and exchanges of one and of two."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench import REPOSITORY
from bench.analysis.calibration import Calibration, calibration_of
from bench.campaign.campaign import make_spec
from bench.campaign.data import DataRequest
from bench.campaign.site import Site
from bench.execute import Terms, measure
from bench.launch.allocation import Allocation
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.profile import ComputeProfile, read_profile

WORKERS = (1, 2)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """rounds: exchanges of each message size; steps: of training, measured; launches: of each, in turn"""

    backbone: str
    resolution: int
    batch_size: int
    steps: int
    rounds: int
    launches: int


def calibrate(site: Site, results: Results, wanted: Wanted, allocation: Allocation) -> Calibration:
    """Run one worker and two, on a node each where there are several; profile the backward pass.

    Two on one node run once more without exchange: what sharing the node costs them.

    Raises
    ------
    InputError: two workers do not fit, or a run failed
    """
    # A projection is between nodes: what serves ranks that share one is left out.
    site = msgspec.structs.replace(site, runtime=msgspec.structs.replace(site.runtime, niceness=0, lone_kb=0.0))
    if site.nodes > 1:
        site = msgspec.structs.replace(site, workers_per_node=1)
    fields = {"backbone": wanted.backbone, "resolution": wanted.resolution, "batch_size": wanted.batch_size}
    fields |= {"mode": "train", "steps": wanted.steps, "allreduce_rounds": wanted.rounds, "learning_rate": 1.0}
    points = [make_spec(site, DataRequest(), workers=workers, **fields) for workers in WORKERS]
    if site.nodes == 1:
        points.append(msgspec.structs.replace(points[1], exchange=False, allreduce_rounds=0))
    planned = points * wanted.launches
    records = measure(planned, site, results, DataRequest(), Terms(allocation=allocation))
    if len(records) < len(planned):
        raise InputError("another harness is at work on these points: wait for it, or give --results")
    profile = _profiled(wanted, results.folder.resolve() / "profile.json")
    kinds = [records[kind :: len(points)] for kind in range(len(points))]
    return calibration_of(kinds[0], kinds[1], profile, *kinds[2:])


def _profiled(wanted: Wanted, path: Path) -> ComputeProfile:
    """By `deepgalaxy profile`, in a process of its own."""
    command = [sys.executable, "-m", "deepgalaxy.cli", "profile", wanted.backbone, "--out", str(path)]
    command += ["--resolution", str(wanted.resolution), "--batch-size", str(wanted.batch_size), "--steps", "8"]
    done = subprocess.run(command, check=False, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"`deepgalaxy profile {wanted.backbone}` failed: {done.stderr.strip().splitlines()[-1:]}")
    return read_profile(path)
