"""Campaigns through a real Slurm: three ways, a job stopped by its time limit, and a script for 1024 workers."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from bench import REPOSITORY
from bench.cli import main
from bench.lab.slurm.machine import until
from bench.store.results import Results
from deepgalaxy.words import Outcome
from tests.bench.faults import worker as fake_worker

pytestmark = pytest.mark.slurm

WITHOUT_COMPUTING = """
import sys
from bench.launch import commands
def command(spec, worker, environment, hosts):
    return [sys.executable, {fake!r}, *worker[-2:]]
for launcher in commands.COMMANDS:
    commands.COMMANDS[launcher] = command
"""
SITE = """
name = "virtual"
scheduler = "slurm"
launcher = "{launcher}"
nodes = 4
cores_per_node = 2
memory_per_node_bytes = 2_000_000_000
workers_per_node = 1
cores_per_worker = 1
minutes_per_point = 0.01
environment = {environment}
"""
CAMPAIGN = """
name = "small"
question = "Does it go through Slurm?"
baseline_workers = 1
data = {{ file = "{data}" }}
settings = {{ mode = "train", backbone = "Small", resolution = 32, batch_size = 2, steps = {steps}, warmup_steps = 1 }}
[[points]]
seed = {seeds}
workers = {workers}
"""


@pytest.fixture
def submit(tmp_path, data_file, monkeypatch):
    """A function that submits a campaign to a cluster, and returns ids of its jobs and the results."""

    def made(cluster, *options, real=False, launcher="mpirun", steps=4, seeds=(0, 1), workers=(1, 2, 4)):
        for name, value in cluster.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin")
        patch = WITHOUT_COMPUTING.format(fake=fake_worker.__file__)
        (tmp_path / "sitecustomize.py").write_text("" if real else patch)
        environment = f'{{ PYTHONPATH = "{tmp_path}:{REPOSITORY}" }}'
        (tmp_path / "virtual.toml").write_text(SITE.format(launcher=launcher, environment=environment))
        text = CAMPAIGN.format(data=data_file, steps=steps, seeds=list(seeds), workers=list(workers))
        (tmp_path / "small.toml").write_text(text)
        results = tmp_path / "results"
        where = [str(tmp_path / "small.toml"), "--site", str(tmp_path / "virtual.toml"), "--results", str(results)]
        before = set(results.glob("jobs/*/*.json"))
        assert main(["submit", *where, *options]) == 0
        jobs = [path for path in sorted(results.glob("jobs/*/*.json")) if path not in before]
        return [_job(path) for path in jobs], Results(results), where

    return made


def _job(path: Path) -> str:
    return str(json.loads(path.read_text())["job"])


@pytest.mark.parametrize(("way", "jobs"), [("nested", 1), ("array", 3), ("per-count", 3)])
def test_every_point_goes_through_once_in_each_way(slurm, submit, capsys, way, jobs):
    ids, results, where = submit(slurm, "--way", way)
    assert len(ids) == jobs
    assert {slurm.wait(job, 60) for job in ids} == {"COMPLETED"}
    summaries = results.summaries()
    assert Counter(s.outcome for s in summaries) == {Outcome.OK: 6}
    assert len({s.key for s in summaries}) == 6
    records = list(results.records())
    assert {r.job for r in records} <= set(ids) | {str(int(i) + n) for i in ids for n in range(8)}
    assert all(len(set(r.hosts)) == r.spec.workers for r in records)
    capsys.readouterr()
    assert main(["status", *where]) == 0
    assert "6 points: 6 ok" in capsys.readouterr().out
    assert main(["submit", *where]) == 0
    assert "nothing to submit" in capsys.readouterr().out


def test_a_job_near_its_limit_stops_cleanly_and_the_next_goes_on(fast_slurm, submit):
    points = {"steps": 500, "seeds": range(6), "workers": [1]}  # 3 s each; the job has 12 s, less 5 to stop in
    (first,), results, _ = submit(fast_slurm, **points)
    assert fast_slurm.wait(first, 60) != "COMPLETED"
    ended = Counter(s.outcome for s in results.summaries())
    assert set(ended) <= {Outcome.OK, Outcome.INTERRUPTED}  # how many depends on how fast this machine is
    assert ended[Outcome.OK] < 6 and ended[Outcome.INTERRUPTED] <= 1
    for _ in range(10):
        if sum(s.outcome is Outcome.OK for s in results.summaries()) == 6:
            break
        (job,), *_ = submit(fast_slurm, **points)
        fast_slurm.wait(job, 60)
    well = Counter(s.key for s in results.summaries() if s.outcome is Outcome.OK)
    assert len(well) == 6 and set(well.values()) == {1}


def test_cancelling_keeps_what_was_measured(slurm, submit, capsys):
    (job,), results, where = submit(slurm, steps=400, seeds=range(8), workers=[1])
    until(lambda: len(results.summaries()) >= 1, 30, "no point has ended")
    assert main(["cancel", *where]) == 0
    assert "cancelled 1 jobs" in capsys.readouterr().out
    slurm.wait(job, 30)
    outcomes = Counter(s.outcome for s in results.summaries())
    assert outcomes[Outcome.OK] >= 1 and outcomes[Outcome.INTERRUPTED] == 1
    assert main(["cancel", *where]) == 0
    assert "no job of this campaign is waiting or running" in capsys.readouterr().out


@pytest.mark.horovod
@pytest.mark.parametrize(
    ("launcher", "way"), [("mpirun", "nested"), ("mpirun", "array"), ("mpirun", "per-count"), ("srun", "nested")]
)
def test_real_ranks_on_two_virtual_nodes_never_pass_for_real_nodes(slurm, submit, launcher, way):
    (job,), results, _ = submit(slurm, "--way", way, real=True, launcher=launcher, seeds=[0], workers=[2])
    assert slurm.wait(job, 120) == "COMPLETED"
    (record,) = results.records()
    assert record.outcome is Outcome.OK, record.reason
    assert len({rank.hostname for rank in record.ranks}) == 2
    assert len({rank.boot_id for rank in record.ranks}) == 1
    assert record.oversubscribed  # both are bound to the same core of one machine


def test_the_paper_campaign_for_1024_workers_is_a_script_that_slurm_takes(slurm, tmp_path, monkeypatch, capsys):
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    assert main(["submit", "fig7", "--site", "slurm-cpu", "--results", str(tmp_path), "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "#SBATCH --nodes=256" in text
    script = tmp_path / "fig7.sh"
    script.write_text(text.partition("\n")[2])
    done = slurm.run("sbatch", "--test-only", str(script))
    assert done.returncode == 0, done.stderr
    assert "using 14336 processors on nodes cpu[1-256]" in done.stderr
