"""Clusters for the tests: started when the first test asks, stopped when the last has ended."""

from __future__ import annotations

import pytest

from bench.lab.slurm.cluster import SlurmCluster, fast_clock, why_not


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """Four nodes of two CPUs."""
    skip_where_none_can_run()
    with SlurmCluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def fast_slurm(tmp_path_factory):
    """The same, but a limit of a minute takes three seconds."""
    skip_where_none_can_run()
    if not fast_clock():
        pytest.skip("no libfaketime; `make test-slurm` installs it")
    with SlurmCluster(tmp_path_factory.mktemp("slurm"), clock=20) as cluster:
        yield cluster


def skip_where_none_can_run() -> None:
    if reason := why_not():
        pytest.skip(f"no Slurm here: {reason}")
