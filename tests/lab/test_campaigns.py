"""Campaigns on a lab, through every launcher: real ranks on several hosts, and what their records say."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bench import REPOSITORY
from bench.cli import main
from bench.lab.namespaces import processes
from bench.lab.network import Lab
from bench.lab.slurm.cluster import why_not
from bench.lab.slurm.machine import until
from bench.store.results import Results
from deepgalaxy.words import Outcome, Provenance

CAMPAIGN = """
name = "small"
question = "Does it go?"
baseline_workers = 1
settings = {{ mode = "train", profile = "{profile}", steps = 3, warmup_steps = 2 }}
[[points]]
workers = {workers}
"""


@pytest.fixture
def campaign(tmp_path, profile):
    def made(workers):
        path = tmp_path / "small.toml"
        path.write_text(CAMPAIGN.format(profile=profile, workers=workers))
        return ["lab", "run", str(path), "--lab", str(tmp_path / "lab"), "--results", str(tmp_path / "results")]

    return made


@pytest.mark.parametrize("launcher", ["mpirun", "horovodrun", "srun"])
def test_ranks_of_every_launcher_exchange_on_hosts_of_their_own(campaign, tmp_path, launcher):
    if launcher == "srun" and (reason := why_not()):
        pytest.skip(f"no Slurm here: {reason}")
    assert main([*campaign([3]), "--rate", "100mbit", "--hosts", "3", "--launcher", launcher]) == 0
    (record,) = Results(tmp_path / "results").records()
    assert record.outcome is Outcome.OK, record.reason
    site = "lab-100mbit-gloo" if launcher == "horovodrun" else "lab-100mbit"
    assert (record.site, record.launcher, record.provenance) == (site, launcher, Provenance.EMULATED)
    assert {rank.hostname for rank in record.ranks} == {"h1", "h2", "h3"}
    assert {rank.checks["transport"] for rank in record.ranks} == {"gloo" if launcher == "horovodrun" else "mpi"}
    # Each waited for its own draws of the jitter, 0.9 to 1.1 of 0.13 s and more, and then for the others.
    assert all(min(rank.split.compute_s) >= 0.9 * 0.13 for rank in record.ranks)


def test_each_rate_is_a_curve_of_its_own_and_the_slower_exchanges_longer(campaign, tmp_path, capsys):
    assert main([*campaign([1, 2, 4]), "--rate", "100mbit,2mbit", "--hosts", "2"]) == 0
    table = pd.read_csv(tmp_path / "results" / "table.csv")
    assert set(table["site"]) == {"lab-100mbit", "lab-2mbit"}
    assert set(table["provenance"]) == {"emulated"}
    skipped = table[table["workers"] == 4]
    assert (skipped["outcome"] == "skipped").all() and skipped["reason"].str.contains("has 2 slots").all()
    terms = pd.read_csv(tmp_path / "results" / "terms.csv").set_index(["site", "workers"])
    np.testing.assert_allclose(terms[["compute_share", "slowest_share", "exchange_share"]].sum(axis=1), 1)
    exchange = terms["exchange_share"] * terms["step_time_s"]
    # 0.4 MB each way: 1.6 s of 2 Mbit/s, less what the backward pass hides and the bucket lets pass.
    assert exchange["lab-2mbit", 2] > 1.0 > exchange["lab-2mbit", 1]
    assert "Where" not in capsys.readouterr().err
    assert (tmp_path / "results" / "scaling.png").stat().st_size > 10_000
    assert not list((tmp_path / "lab").glob("lab.json"))


def test_everybody_waits_for_a_slow_host(campaign, tmp_path):
    options = ["--rate", "100mbit", "--hosts", "3", "--slow-host", "h2=3", "--own-link", "h3=50mbit"]
    assert main([*campaign([3]), *options]) == 0
    (record,) = Results(tmp_path / "results").records()
    assert record.site == "lab-100mbit-h3-50mbit-h2-3x-slower"
    assert [rank.checks["slowdown"] for rank in record.ranks] == ["1", "3", "1"]
    assert all(min(rank.step_time_s) >= 3 * 0.9 * 0.13 for rank in record.ranks)
    (row,) = pd.read_csv(tmp_path / "results" / "terms.csv").to_dict("records")
    assert row["slowest_share"] > 0.25  # two of three ranks compute a third of the time, and wait for the rest of it


def test_ranks_end_with_the_command_that_started_them_and_the_lab_can_be_removed(campaign, tmp_path, profile):
    command = campaign([2])
    settings = (tmp_path / "small.toml").read_text()
    (tmp_path / "small.toml").write_text(settings.replace("steps = 3", "steps = 5000"))
    lab = Lab(tmp_path / "lab")
    whole = [sys.executable, "-m", "bench.cli", *command, "--rate", "100mbit", "--hosts", "2"]
    with subprocess.Popen(whole, cwd=REPOSITORY, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        until(lambda: [*tmp_path.glob("results/runs/*/*/rank-00001.steps.jsonl")], 60, "no rank has started")
        inodes = set(lab.state.inodes.values())
        assert processes(inodes)
        process.kill()
    until(lambda: not processes(inodes), 30, "ranks still run")
    (record,) = Results(tmp_path / "results").records()
    assert record.outcome is Outcome.INTERRUPTED
    assert main(["lab", "down", "--lab", str(lab.folder)]) == 0
    assert lab.state is None


def test_allreduces_never_beat_the_ideal_ring(tmp_path, capsys):
    if not shutil.which("iptables-legacy", path="/usr/sbin:/sbin:/usr/bin"):
        pytest.skip("not installed: iptables-legacy")
    options = ["--counts", "2,3", "--rate", "50mbit", "--delay", "5ms", "--megabytes", "1", "--rounds", "4"]
    folders = ["--lab", str(tmp_path / "lab"), "--results", str(tmp_path / "results")]
    assert main(["lab", "allreduce", *options, *folders]) == 0
    table = pd.read_csv(tmp_path / "results" / "allreduce.csv")
    assert len(table) == 6 and set(table["provenance"]) == {"emulated"}
    assert table["ideal_ring_s"].tolist() == pytest.approx([0.1673 + 0.01, 0.2231 + 0.02] * 3, rel=1e-3)
    assert (table["over_ideal"] > 0.95).all()  # a bucketful passes at once
    assert "over the ideal ring" in capsys.readouterr().out
