import json

import msgspec
import pytest

from bench.launch.outcome import BUSY_SHARE, Evidence, classify, kernel_oom_kills, share_cores, short_of_cores
from deepgalaxy.spec import to_json
from deepgalaxy.words import Compute, Outcome
from tests.conftest import make_rank


@pytest.fixture
def judge(tmp_path, make_spec):
    def run(*, log="", ranks=(0,), failures=None, **fields):
        (tmp_path / "log.txt").write_text(log)
        for rank in ranks:
            (tmp_path / f"rank-{rank:05d}.json").write_bytes(to_json(make_rank(rank, [1.0, 1.0, 1.0])))
        for rank, outcome in (failures or {}).items():
            told = {"outcome": outcome, "reason": "why"}
            (tmp_path / f"rank-{rank:05d}.failure.json").write_text(json.dumps(told))
        evidence = {"exit_code": 1, "stopped": None, "ranks_seen": [0, 1]} | fields
        return classify(make_spec(workers=2), Evidence(folder=tmp_path, log=tmp_path / "log.txt", **evidence))

    return run


def test_all_ranks_with_records_are_ok(judge):
    verdict = judge(ranks=(0, 1), exit_code=0)
    assert (verdict.outcome, verdict.reason, len(verdict.ranks)) == (Outcome.OK, "", 2)


@pytest.mark.parametrize(
    ("fields", "outcome", "rank"),
    [
        ({"log": "process rank 1 with PID 7 on node a exited on signal 9"}, Outcome.RANK_LOST, 1),
        ({"log": "Process name: [prterun-vm-7613@1,1]\nExit code:    1"}, Outcome.RANK_LOST, 1),
        ({"log": "Process name: 1\nExit code: 137"}, Outcome.RANK_LOST, 1),
        ({"ranks": (), "ranks_seen": [], "exit_code": 127, "log": "mpirun: No such file"}, Outcome.LAUNCH_FAILED, None),
        ({"oom_killed": True}, Outcome.OOM, 1),
        ({"log": "terminate called: std::bad_alloc"}, Outcome.OOM, 1),
        ({"failures": {1: "bad_result"}}, Outcome.BAD_RESULT, 1),
        ({"failures": {1: "oom"}}, Outcome.OOM, 1),
        ({"stopped": (Outcome.HANG, "rank 1 has done nothing for 9 s")}, Outcome.HANG, 1),
        ({"stopped": (Outcome.TIMEOUT, "not done after 9 s"), "ranks": (0, 1)}, Outcome.TIMEOUT, None),
    ],
)
def test_every_end_has_its_name_its_rank_and_its_log(judge, tmp_path, fields, outcome, rank):
    verdict = judge(**fields)
    assert (verdict.outcome, verdict.failed_rank) == (outcome, rank)
    assert str(tmp_path / "log.txt") in verdict.reason


def test_the_logs_last_lines_are_told_without_its_noise(judge):
    verdict = judge(log="early\n" * 50 + "Unable to register cuDNN factory\nthe cause\n-----\n\n")
    assert verdict.reason.endswith("early | the cause")


@pytest.mark.parametrize("content", [b"", b"garbage", b'{"rank": 0}'])
def test_a_damaged_rank_record_is_a_bad_result(judge, tmp_path, content):
    (tmp_path / "rank-00001.json").write_bytes(content)
    assert judge().outcome is Outcome.BAD_RESULT


def test_a_rank_with_too_few_steps_is_a_bad_result(judge, tmp_path):
    (tmp_path / "rank-00001.json").write_bytes(to_json(make_rank(1, [1.0])))
    verdict = judge()
    assert verdict.outcome is Outcome.BAD_RESULT
    assert "rank 1 with 1 steps, not rank 1 with 3" in verdict.reason


def test_ranks_on_common_cores_of_one_machine_share_them():
    a, b = make_rank(0, [1.0]), make_rank(1, [1.0])
    assert not share_cores([a, b])
    assert share_cores([a, a])


def test_kills_for_memory_are_counted_also_in_a_container(tmp_path):
    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert kernel_oom_kills(tmp_path) == 0
    write("proc/vmstat", "nr_free_pages 7\noom_kill 2\n")
    write("proc/self/cgroup", "0::/jobs/7\n")
    write("sys/fs/cgroup/jobs/7/memory.events", "low 0\noom 5\noom_kill 3\n")
    assert kernel_oom_kills(tmp_path) == 5
    write("proc/self/cgroup", "4:cpu,memory:/slurm/job\n")
    write("sys/fs/cgroup/memory/slurm/job/memory.oom_control", "under_oom 0\noom_kill 1\n")
    assert kernel_oom_kills(tmp_path) == 3


def test_ranks_that_wait_are_short_of_cores_when_the_machine_was_busy_and_not_when_they_share_some(make_spec):
    ranks = [msgspec.structs.replace(make_rank(i, [1.0]), cpus=[0, 1]) for i in range(2)]
    emulated = make_spec(workers=2, compute=Compute.EMULATED, profile="p.json")
    assert short_of_cores(make_spec(workers=2), ranks)
    assert not short_of_cores(emulated, ranks)
    busy = msgspec.structs.replace(ranks[1], machine_busy_share=BUSY_SHARE + 0.01)
    assert short_of_cores(emulated, [ranks[0], busy])
