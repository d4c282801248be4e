"""Real ranks under real launchers, and what happens to them."""

import importlib.util
import os
import signal
import threading
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from bench.analysis.scaling import scaling_table
from bench.campaign.site import Launcher, load_site
from bench.launch.run import Limits, run_point
from deepgalaxy.networks.catalogue import NO_BACKBONE
from deepgalaxy.words import Engine, Mode, Outcome, Precision
from tests.conftest import RESOLUTION, write_data

CPU_FLAGS = Path("/proc/cpuinfo").read_text().split()

SITE = msgspec.structs.replace(load_site("local"), name="test")

pytestmark = pytest.mark.horovod

EXCHANGING = [Launcher.MPIRUN, Launcher.HOROVODRUN]
"""Launchers that are here and bring ranks together; srun's are in tests/slurm."""


@pytest.fixture
def run(tmp_path, make_spec):
    def start(launcher=Launcher.MPIRUN, limits=None, watch=lambda journals: None, **fields):
        site = msgspec.structs.replace(SITE, launcher=launcher)
        oversubscribe = fields.get("workers", 1) > SITE.slots
        spec = make_spec(**{"backbone": "Small", "oversubscribe": oversubscribe} | fields)
        record = run_point(spec, site, 1, tmp_path, limits=limits, watch=watch)
        assert not left_behind(tmp_path)
        return record

    return start


def left_behind(folder) -> list[int]:
    """Worker processes of this run that still live."""
    return [p.pid for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]


@pytest.mark.parametrize("launcher", EXCHANGING)
def test_two_ranks_train_and_leave_their_records(run, launcher):
    record = run(launcher, workers=2, backbone="EfficientNetB0")
    assert record.outcome is Outcome.OK, record.reason
    assert [r.rank for r in record.ranks] == [0, 1]
    assert {r.checks["ranks"] for r in record.ranks} == {"2"}
    assert {r.checks["transport"] for r in record.ranks} == {"mpi" if launcher is Launcher.MPIRUN else "gloo"}
    first, second = record.ranks
    assert len(first.step_time_s) == len(second.step_time_s) == 3
    assert first.loss != second.loss  # each sees images of its own
    assert first.peak_rss_bytes > first.memory[0].rss_bytes
    assert first.gradient_bytes == 4 * (first.parameters - 42_023)  # all but the statistics of batch normalisation
    if SITE.slots >= 2:
        assert not record.oversubscribed
        assert len(first.cpus) == SITE.cores_per_worker


def test_a_step_is_split_and_its_exchange_seen(run):
    measured = {"split_steps": 3, "timeline": True, "allreduce_rounds": 3, "yardstick": True}
    record = run(workers=2, backbone="EfficientNetB0", **measured)
    assert record.outcome is Outcome.OK, record.reason
    for rank in record.ranks:
        assert {len(rank.split.whole_s), len(rank.split.alone_s), len(rank.split.compute_s)} == {3}
        assert min(rank.split.compute_s) > 0
        assert rank.memory[-1].phase == "measure"  # what comes after is none of the step's memory
        assert 0 < rank.gemm_flop_per_s < 1e15
        assert len(rank.yardstick_time_s) == len(rank.step_time_s)
        assert 0 < min(rank.yardstick_time_s) < 1
    first = record.ranks[0]
    step_s = sum(first.step_time_s) / len(first.step_time_s)
    assert 0 < first.exchange_s["allreduce"] < step_s
    assert 0 < first.exchange_s["negotiation"] < step_s
    forward = 258e6 * (RESOLUTION / 128) ** 2  # EfficientNetB0's, by `deepgalaxy info`
    assert first.flop_per_image == pytest.approx(3 * forward, rel=0.15)
    for way in ("horovod", "mpi"):
        timed = {e.message_bytes: e.time_s for e in first.exchanges if e.way == way}
        assert min(timed) == 4
        assert all(len(seconds) == 3 and min(seconds) > 0 for seconds in timed.values())
        assert min(timed[max(timed)]) > min(timed[4])
    assert 0 <= first.computing_lost < 1


def test_loading_times_the_pipeline_and_plain_reads_of_the_same_batches(run):
    record = run(mode=Mode.LOAD, backbone=NO_BACKBONE, workers=2, steps=40)
    assert record.outcome is Outcome.OK, record.reason
    for rank in record.ranks:
        assert len(rank.step_time_s) == len(rank.plain_read_time_s) == 40
        assert min(rank.plain_read_time_s) > 0
    row = scaling_table([record], 2).iloc[0]
    assert row["plain_read_ratio_low"] <= row["plain_read_ratio"] <= row["plain_read_ratio_high"]


def test_memory_of_an_epoch_does_not_grow_with_the_file(run, tmp_path):
    peaks, sizes = [], []
    for snapshots in (12, 160):
        path = write_data(tmp_path / f"{snapshots}.hdf5", resolution=128, groups=("s_1_m_1",), snapshots=snapshots)
        # An epoch of the large file on two ranks; as many batches, so several epochs, of the small one.
        record = run(mode=Mode.LOAD, backbone=NO_BACKBONE, resolution=128, data=str(path), workers=2, steps=100)
        assert record.outcome is Outcome.OK, record.reason
        peaks.append(max(rank.peak_rss_bytes for rank in record.ranks))
        sizes.append(14 * snapshots * 128**2 * 4)
    assert sizes[1] - sizes[0] > 100e6
    assert peaks[1] - peaks[0] < 0.1 * (sizes[1] - sizes[0])


def test_prediction_runs_in_bf16_when_that_was_asked(run):
    record = run(mode="infer", precision=Precision.BF16)
    assert record.outcome is Outcome.OK, record.reason
    assert "bfloat16:" in record.ranks[0].checks["products"]


@pytest.mark.skipif("avx512_bf16" not in CPU_FLAGS, reason="this CPU has no BF16 products")
def test_the_extension_rewrites_the_graph_to_bf16(run):
    if not importlib.util.find_spec("intel_extension_for_tensorflow"):
        pytest.skip("the Intel extension is not installed")
    record = run(mode="infer", precision=Precision.BF16_AMP, engine=Engine.ITEX)
    assert record.outcome is Outcome.OK, record.reason
    assert "bfloat16:" in record.ranks[0].checks["products"]


def test_without_a_launcher_each_process_predicts_by_itself(run):
    record = run(Launcher.LOCAL, workers=2, exchange=False, mode="infer")
    assert record.outcome is Outcome.OK, record.reason
    assert [rank.rank for rank in record.ranks] == [0, 1]


def test_processes_that_meet_wait_for_one_another_in_every_step(run):
    paused = []

    def pause_rank_1(journals):
        state = journals.ranks.get(1)
        if state and state.step >= 5 and not paused:
            paused.append(state.step)
            os.kill(state.pid, signal.SIGSTOP)
            time.sleep(2)
            os.kill(state.pid, signal.SIGCONT)

    record = run(workers=2, exchange=False, meet=True, steps=1000, watch=pause_rank_1)
    assert record.outcome is Outcome.OK, record.reason
    assert paused
    assert all(max(rank.step_time_s) > 1.5 for rank in record.ranks)  # who stood still kept the other waiting
    first, second = (rank.step_time_s for rank in record.ranks)
    assert record.ranks[0].loss != record.ranks[1].loss  # nothing is exchanged
    # Each leaves a step when the other does: together they can be apart by no more than one of them.
    assert abs(sum(first) - sum(second)) < max(*first, *second)


def test_processes_that_nothing_brings_together_cant_meet(run):
    record = run(Launcher.LOCAL, workers=2, exchange=False, meet=True)
    assert record.outcome is Outcome.LAUNCH_FAILED
    assert "2 processes of MPI are needed, 1 was started" in record.reason


def test_more_ranks_than_cores_mark_the_record(run):
    record = run(workers=SITE.slots + 1, exchange=False, mode="infer")
    assert record.outcome is Outcome.OK, record.reason
    assert record.oversubscribed


@pytest.mark.parametrize("launcher", EXCHANGING)
def test_a_killed_rank_ends_the_run_within_a_minute_as_rank_lost(run, launcher):
    killed_at = []

    def kill_rank_1(journals):
        state = journals.ranks.get(1)
        if state and state.step >= 2 and not killed_at:
            os.kill(state.pid, signal.SIGKILL)
            killed_at.append(time.monotonic())

    record = run(launcher, workers=2, steps=4000, watch=kill_rank_1)
    assert time.monotonic() - killed_at[0] < 60
    assert record.outcome is Outcome.RANK_LOST
    assert record.failed_rank == 1
    assert "log.txt" in record.reason


def test_a_stopped_rank_is_a_hang(run):
    def stop(journals):
        state = journals.ranks.get(0)
        if state and state.step >= 2 and psutil.Process(state.pid).status() != psutil.STATUS_STOPPED:
            os.kill(state.pid, signal.SIGSTOP)

    record = run(steps=4000, limits=Limits(step_s=5), watch=stop)
    assert record.outcome is Outcome.HANG
    assert "rank 0 has done nothing" in record.reason


def test_a_run_over_its_time_is_stopped(run):
    record = run(limits=Limits(total_s=3))
    assert record.outcome is Outcome.TIMEOUT
    assert record.wall_s < 30


def test_a_machine_short_of_memory_stops_the_run(run):
    record = run(limits=Limits(free_memory_bytes=2**60))
    assert record.outcome is Outcome.OOM


def test_interrupting_the_harness_ends_the_ranks_and_keeps_the_record(tmp_path, make_spec):
    def interrupt(journals):
        if journals.ranks:
            signal.raise_signal(signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(KeyboardInterrupt) as caught:
        run_point(make_spec(), SITE, 1, tmp_path, watch=interrupt)
    assert caught.value.args[0].outcome is Outcome.INTERRUPTED
    assert not left_behind(tmp_path)


def test_data_of_another_resolution_fail_with_the_ranks_own_words(run, data_file):
    record = run(resolution=64)
    assert record.outcome is Outcome.LAUNCH_FAILED
    assert "holds images of 32 pixels, 64 were asked for" in record.reason


def test_a_missing_launcher_is_a_failed_launch(run, monkeypatch):
    monkeypatch.setitem(
        __import__("bench.launch.run", fromlist=["COMMANDS"]).COMMANDS, Launcher.MPIRUN, lambda *a: ["no-mpirun-here"]
    )
    record = run()
    assert record.outcome is Outcome.LAUNCH_FAILED
    assert "no-mpirun-here: No such file or directory" in record.reason
