"""Shared by all tests: a small real data set, and records made by hand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import settings

from bench import REPOSITORY
from bench.launch.commands import rank_environment
from deepgalaxy.data.layout import add_simulation, atomic_file
from deepgalaxy.record import MemorySample, RankRecord, RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Compute, Mode, Outcome, Provenance

# Machines that run these are shared and noisy: how long an example takes says nothing.
settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")

# A shell has what it starts in the background ignore interrupts; some tests are about them.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several tests run at a time: a file's stay together, for its fixtures, and those of the one Slurm."""
    for item in items:
        group = "slurm" if item.path.parent.name == "slurm" else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))


RESOLUTION = 32
SNAPSHOTS = 12


@pytest.fixture(scope="session")
def data_file(tmp_path_factory) -> Path:
    """Two simulations, 14 cameras, 12 snapshots of 32 pixels, drawn at random."""
    return write_data(tmp_path_factory.mktemp("data") / "mergers_32.hdf5")


def write_data(
    path: Path,
    resolution: int = RESOLUTION,
    groups: tuple[str, ...] = ("s_1_m_1", "s_0.5_m_0.25"),
    snapshots: int = SNAPSHOTS,
) -> Path:
    rng = np.random.default_rng(0)
    with atomic_file(path) as file:
        for group in groups:
            for dataset in add_simulation(
                file, group, 14, 5.0 * np.arange(snapshots), (resolution, "float32"), {"seed": 0}
            ):
                dataset[...] = rng.random(dataset.shape, dtype=np.float32)
    return path


@pytest.fixture
def make_spec(data_file):
    def make(**fields) -> RunSpec:
        defaults = dict(
            mode=Mode.TRAIN,
            backbone="EfficientNetB0",
            resolution=RESOLUTION,
            batch_size=4,
            workers=1,
            data=str(data_file),
            steps=3,
            warmup_steps=1,
            learning_rate=1.0,
        )
        return RunSpec(**(defaults | fields))

    return make


@pytest.fixture
def make_record(make_spec):
    """A record of ranks that took the given step times, (ranks, steps)."""

    def make(step_times_s, outcome=Outcome.OK, reason="", launch=1, provenance=None, **fields) -> RunRecord:
        times = np.atleast_2d(np.asarray(step_times_s, dtype=float))
        if provenance is Provenance.EMULATED:
            fields = {"compute": Compute.EMULATED, "profile": "profile.json"} | fields
        spec = make_spec(**({"workers": len(times), "steps": times.shape[1]} | fields))
        ranks = [make_rank(i, row) for i, row in enumerate(times)] if outcome is Outcome.OK else []
        return RunRecord(
            spec=spec,
            outcome=outcome,
            provenance=provenance or spec.provenance,
            site="test",
            launcher="mpirun",
            launch=launch,
            started_utc="2026-01-01T00:00:00+00:00",
            wall_s=1.0,
            ranks=ranks,
            reason=reason,
        )

    return make


def make_rank(rank: int, step_time_s) -> RankRecord:
    return RankRecord(
        rank=rank,
        hostname="node",
        boot_id="boot",
        pid=1000 + rank,
        cpus=[rank],
        step_time_s=list(map(float, step_time_s)),
        data_wait_s=[0.0] * len(step_time_s),
        warmup_step_time_s=[1.0],
        phase_time_s={},
        memory=[MemorySample(phase="measure", rss_bytes=1, pss_bytes=1, peak_rss_bytes=2**30)],
        peak_rss_bytes=2**30,
        pss_bytes=2**29,
        voluntary_context_switches=0,
        involuntary_context_switches=0,
        loss=[],
        parameters=1,
        gradient_bytes=4,
        checks={},
        environment={},
    )


def ranks_environment(make_spec) -> dict[str, str]:
    """What `run_ranks` gives its ranks."""
    environment = rank_environment(os.environ, make_spec(), {}, as_root=os.geteuid() == 0)
    return environment | {"PYTHONPATH": str(REPOSITORY)}


@pytest.fixture
def run_ranks(make_spec):
    """Python with some arguments as so many ranks under mpirun, oversubscribed where they must be."""

    def run(number, *arguments, check=True) -> subprocess.CompletedProcess:
        command = ["mpirun", "-np", str(number), "--bind-to", "none", "--map-by", ":OVERSUBSCRIBE", "-x", "PYTHONPATH"]
        done = subprocess.run(
            [*command, sys.executable, *map(str, arguments)],
            env=ranks_environment(make_spec),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done

    return run


def made_in_turn(make):
    """A stand-in for `bench.launch.turns.run_in_turn` that stores what `make(way)` returns for every way."""

    def run_in_turn(ways, results):
        launches = [results.new_launch(way.spec) for way in ways]
        names = [f"{way.spec.key}/{number}" for way, (number, _) in zip(ways, launches, strict=True)]
        records = []
        for i, (way, (number, folder)) in enumerate(zip(ways, launches, strict=True)):
            beside = names[:i] + names[i + 1 :]
            fields = {"spec": way.spec, "site": way.site.name, "launch": number, "beside": beside}
            records.append(msgspec.structs.replace(make(way), **fields))
            results.write(records[-1], folder)
        return records

    return run_in_turn
