"""Whatever ends a campaign, resuming it leaves every point measured once, nothing lost and no process behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from bench import REPOSITORY
from bench.campaign.site import Launcher, load_site
from bench.launch import commands
from bench.launch.run import Limits, run_point
from bench.store.results import Results
from deepgalaxy.words import Outcome

HARNESS = Path(__file__).with_name("harness.py")
POINTS = 24
KILLS, POINTS_TO_KILL = 20, 100


@pytest.fixture
def campaign(tmp_path, data_file, request):
    """A campaign of `POINTS` points of some tenths of a second, and its results' folder."""
    points = getattr(request, "param", POINTS)
    path = tmp_path / "faulty.toml"
    path.write_text(
        f'name = "faulty"\nquestion = "Does it survive?"\nbaseline_workers = 1\ndata = {{ file = "{data_file}" }}\n'
        'settings = { mode = "train", backbone = "Small", resolution = 32, batch_size = 2, steps = 8 }\n'
        f"[[points]]\nseed = {list(range(points // 2))}\nworkers = [1, 2]\n"
    )
    return path, tmp_path / "results"


def start(campaign, *options, fault="", verb="resume", in_background=False):
    """The harness on a campaign; in_background: deaf to interrupts, as a shell starts what is followed by &."""
    path, results = campaign
    command = [sys.executable, str(HARNESS), verb, str(path), "--results", str(results), "--oversubscribe", *options]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"DG_FAULT": fault, "PYTHONPATH": str(REPOSITORY)},
        start_new_session=True,
        preexec_fn=(lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if in_background else None,
    )


def finish(campaign, *options, **how) -> tuple[int, str]:
    process = start(campaign, *options, **how)
    said, _ = process.communicate(timeout=120)
    return process.returncode, said


def left_behind(campaign) -> list[int]:
    """Processes of this campaign that still live, once those that are ending have had a moment."""
    for _ in range(100):
        living = [
            p.pid for p in psutil.process_iter(["cmdline"]) if str(campaign[1]) in " ".join(p.info["cmdline"] or [])
        ]
        if not living:
            return []
        time.sleep(0.1)
    return living


def require_whole(campaign, points=POINTS):
    """Every point ended well exactly once."""
    code, said = finish(campaign)
    assert code == 0, said
    assert "Traceback" not in said
    summaries = Results(campaign[1]).summaries()
    well = Counter(s.key for s in summaries if s.outcome is Outcome.OK)
    assert len(well) == points and set(well.values()) == {1}
    return summaries


@pytest.mark.parametrize("campaign", [POINTS_TO_KILL], indirect=True)
def test_killed_at_random_moments_it_goes_on(campaign):
    rng = random.Random(0)
    for _ in range(KILLS):
        process = start(campaign)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.05, 2.0))
            pytest.skip("the campaign was over before all kills: this machine is too fast for the test")
        process.kill()
        process.communicate()
        assert not left_behind(campaign)
    require_whole(campaign, POINTS_TO_KILL)


@pytest.mark.parametrize(
    ("number", "in_background"), [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True)]
)
def test_interrupted_it_records_so_and_goes_on(campaign, number, in_background):
    process = start(campaign, in_background=in_background)
    while not list(campaign[1].glob("runs/*/launch-*/record.json")):
        time.sleep(0.05)
        assert process.poll() is None
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "`dgbench resume` goes on" in said and "Traceback" not in said
    assert not left_behind(campaign)
    require_whole(campaign)


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_a_disk_that_takes_no_more_loses_nothing(campaign, trouble):
    path, results = campaign
    results.mkdir()
    small = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(results)]
    mounted = subprocess.run(small, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.strip()}")
    try:
        if trouble == "read-only":
            assert finish(campaign, "--workers", "1")[0] in (0, 2)
            subprocess.run(["mount", "-o", "remount,ro", str(results)], check=True)
        code, said = finish(campaign)
        assert code == 2, said
        assert {"full": "No space left", "read-only": "can't be written: Read-only"}[trouble] in said
        assert "Traceback" not in said
        before = {s.folder for s in Results(results).summaries()} if trouble == "full" else set()
        subprocess.run(["mount", "-o", "remount,rw,size=32m", str(results)], check=True)
        assert before <= {s.folder for s in require_whole(campaign)}
    finally:
        subprocess.run(["umount", str(results)], check=True)
    assert not left_behind(campaign)


@pytest.mark.parametrize(
    ("fault", "outcome", "told"),
    [
        ("exit", Outcome.RANK_LOST, "ended without its record (exit code 7)"),
        ("garbage", Outcome.BAD_RESULT, "rank-00000.json"),
        ("noise", Outcome.OK, ""),
    ],
)
def test_a_faulty_rank_has_its_outcome_and_is_run_again(campaign, fault, outcome, told):
    code, said = finish(campaign, "--workers", "2", fault=fault)
    assert code == (outcome is not Outcome.OK), said
    summaries = Results(campaign[1]).summaries()
    assert {s.outcome for s in summaries} == {outcome}
    assert len(summaries) == POINTS // 2
    assert all(told in s.reason for s in summaries)
    code, said = finish(campaign, "--outcome", outcome.value, verb="retry")
    assert code == 0, said
    require_whole(campaign)


def test_a_rank_that_never_starts_is_a_failed_launch(make_spec, tmp_path, monkeypatch):
    spec = make_spec()
    monkeypatch.setenv("DG_FAULT", "never")
    monkeypatch.setattr(commands, "KEPT_NAMES", (*commands.KEPT_NAMES, "DG_FAULT"))
    fake = str(HARNESS.with_name("worker.py"))
    monkeypatch.setitem(
        commands.COMMANDS, Launcher.MPIRUN, lambda spec, worker, *_: [sys.executable, fake, *worker[-2:]]
    )
    record = run_point(spec, load_site("local"), 1, tmp_path, limits=Limits(start_s=1))
    assert record.outcome is Outcome.LAUNCH_FAILED
    assert "no rank gave a sign of life in 1 s" in record.reason
    assert not left_behind((None, tmp_path))


def test_two_harnesses_share_a_campaign_and_run_nothing_twice(campaign):
    both = [start(campaign), start(campaign)]
    for process in both:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said
    summaries = Results(campaign[1]).summaries()
    assert max(Counter(s.key for s in summaries).values()) == 1
    require_whole(campaign)
