"""The cluster itself: it is a Slurm with several nodes, and nothing of it stays."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from bench import REPOSITORY
from bench.lab.slurm import cluster as cluster_module
from bench.lab.slurm.cluster import SlurmCluster
from bench.lab.slurm.machine import SlurmError, until
from tests.slurm.conftest import skip_where_none_can_run

pytestmark = pytest.mark.slurm


def submit(cluster, folder, commands, *options) -> tuple[str, Path]:
    """A job of these commands: its number, and the folder of its output, a file for each job of an array."""
    script = folder / "job.sh"
    script.write_text(f"#!/bin/sh\n{commands}\n")
    done = cluster.run("sbatch", "--parsable", f"--output={folder}/%j.out", *options, str(script))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), folder


def outputs(folder) -> list[str]:
    return sorted(line for path in folder.glob("*.out") for line in path.read_text().splitlines())


def processes(holding, of="cmdline") -> list[list[str]]:
    """Arguments (or environment) of all processes that have this among them."""
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{of}"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it ended in between
            continue
        if any(holding in word for word in words):
            found.append(words[:-1])
    return found


def sleepers(duration) -> int:
    """Without srun, whose arguments are the same but for its own name; its tasks get a full path."""
    return sum(Path(words[0]).name == "sleep" for words in processes(duration))


def unique_duration() -> str:
    """Seconds to sleep, by which the sleeper is found among all processes."""
    return f"300.{time.time_ns()}"


def test_each_node_has_its_own_host_name(slurm, tmp_path):
    job, folder = submit(slurm, tmp_path, "srun hostname", "-N4")
    assert slurm.wait(job, 20) == "COMPLETED"
    assert outputs(folder) == ["node1", "node2", "node3", "node4"]


def test_an_array_runs_once_for_each_index(slurm, tmp_path):
    job, folder = submit(slurm, tmp_path, "echo index $SLURM_ARRAY_TASK_ID", "--array=0-2")
    assert slurm.wait(job, 20) == "COMPLETED"
    assert outputs(folder) == ["index 0", "index 1", "index 2"]


def test_a_job_that_fails_says_so(slurm, tmp_path):
    job, _ = submit(slurm, tmp_path, "exit $SLURM_ARRAY_TASK_ID", "--array=0-1")
    assert slurm.wait(job, 20) == "FAILED"


def test_ranks_get_their_numbers_over_pmix(slurm, tmp_path):
    if not list(Path("/usr/lib").glob("*/pmix2/lib/libpmix.so")):
        pytest.skip("no libpmix.so for srun --mpi=pmix; `make test-slurm` links it")
    job, folder = submit(slurm, tmp_path, "srun --mpi=pmix printenv PMIX_RANK", "-N4")
    assert slurm.wait(job, 20) == "COMPLETED", outputs(folder)
    assert outputs(folder) == ["0", "1", "2", "3"]


def test_a_cancelled_job_leaves_no_process(slurm, tmp_path):
    duration = unique_duration()
    job, _ = submit(slurm, tmp_path, f"sleep {duration} &\nsrun sleep {duration}", "-N2")
    until(lambda: sleepers(duration) == 3, 20, "not all commands of the job run")
    assert slurm.run("scancel", job).returncode == 0
    assert slurm.wait(job, 20) == "CANCELLED"
    until(lambda: not processes(duration), 5, "processes of the cancelled job still run")


def test_a_job_ends_at_its_time_limit(fast_slurm, tmp_path):
    duration = unique_duration()
    job, _ = submit(fast_slurm, tmp_path, f"sleep {duration}", "--time=1")
    started = time.monotonic()
    assert fast_slurm.wait(job, 25) == "TIMEOUT"
    assert time.monotonic() - started > 2  # a minute of the fast clock, not an end at once
    until(lambda: not processes(duration), 5, "processes of the job still run")


@pytest.mark.parametrize(("nodes", "accepted"), [(4, True), (99, False)])
def test_a_script_can_be_checked_without_running_it(slurm, tmp_path, nodes, accepted):
    script = tmp_path / "job.sh"
    script.write_text(f"#!/bin/sh\n#SBATCH --nodes={nodes} --time=5\nsrun hostname\n")
    done = slurm.run("sbatch", "--test-only", str(script))
    assert (done.returncode == 0) is accepted
    assert ("to start at" if accepted else "allocation failure") in done.stderr
    assert ("node[1-4]" in done.stderr) is accepted


@pytest.fixture
def long_folder(tmp_path):
    """Too long for the sockets of munge and Slurm."""
    skip_where_none_can_run()
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    return folder


def test_nothing_stays_of_a_cluster_and_its_jobs(long_folder, tmp_path):
    duration = unique_duration()
    with SlurmCluster(long_folder, nodes=2) as cluster:
        folder = cluster.folder
        submit(cluster, tmp_path, f"setsid --fork sleep {duration}\ntrap '' TERM\nsrun sleep {duration}", "-N2")
        until(lambda: sleepers(duration) == 3, 20, "not all commands of the job run")
        assert len(processes(f"{folder}/slurm.conf", of="environ")) > 3
    assert not processes(duration)
    assert not processes(f"{folder}/slurm.conf", of="environ")
    assert not folder.exists()


def test_nothing_stays_of_a_start_that_failed(long_folder, monkeypatch):
    cluster = SlurmCluster(long_folder, nodes=2)
    monkeypatch.setattr(cluster_module, "BECOME_NODE", 'echo "no such node: $0" && exit 3')
    with pytest.raises(SlurmError, match="no such node: node1"):
        cluster.start()
    assert cluster.folder != long_folder
    assert not processes(f"{cluster.folder}/slurm.conf", of="environ")
    assert not cluster.folder.exists()


def test_daemons_end_with_tests_that_are_killed():
    skip_where_none_can_run()
    code = f"""
import sys, time; from pathlib import Path; from {SlurmCluster.__module__} import SlurmCluster
SlurmCluster(Path(sys.argv[1]), nodes=1).start()
print("up", flush=True)
time.sleep(60)
"""
    with tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp") as folder:
        command = [sys.executable, "-c", code, folder]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as tests:
            assert tests.stdout.readline() == "up\n"
            assert processes(f"{folder}/slurm.conf", of="environ")
            tests.kill()
        until(lambda: not processes(f"{folder}/slurm.conf", of="environ"), 15, "daemons outlive the tests")
