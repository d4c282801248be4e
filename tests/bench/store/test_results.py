import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench import REPOSITORY
from bench.store.results import Results, write_atomically
from deepgalaxy.errors import InputError
from deepgalaxy.spec import to_json
from deepgalaxy.words import Outcome


def test_a_stored_record_is_found_again(tmp_path, make_record):
    results = Results(tmp_path / "campaign")
    record = make_record([[1.0, 2.0]])
    number, folder = results.new_launch(record.spec)
    assert number == 1
    results.write(record, folder)
    assert list(results.records()) == [record]


def test_launches_are_appended_never_overwritten(tmp_path, make_record):
    results = Results(tmp_path)
    record = make_record([[1.0]])
    numbers = [results.new_launch(record.spec)[0] for _ in range(3)]
    assert numbers == [1, 2, 3]
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: results.new_launch(record.spec)[0], range(24)))
    assert sorted(taken) == list(range(4, 28))


def test_a_launch_without_its_record_does_not_count(tmp_path, make_record):
    results = Results(tmp_path)
    results.new_launch(make_record([[1.0]]).spec)
    assert list(results.records()) == []


def test_summaries_tell_each_launch_in_short(tmp_path, make_record):
    results = Results(tmp_path)
    good = make_record([[1.0, 3.0, 2.0], [4.0, 1.0, 1.0]])
    bad = make_record([[1.0]], outcome=Outcome.HANG, reason="silent")
    for record in (good, bad):
        results.write(record, results.new_launch(record.spec)[1])
    found = {s.outcome: s for s in results.summaries()}
    assert found[Outcome.OK].step_time_s == 3.0  # of the slowest ranks' 4, 3, 2
    assert found[Outcome.OK].spec == good.spec
    assert found[Outcome.HANG].reason == "silent" and found[Outcome.HANG].step_time_s == 0


@pytest.mark.parametrize("damage", ["gone", "cut", "garbage", "stale", "doubled"])
def test_a_damaged_index_is_made_again_from_the_folders(tmp_path, make_record, damage):
    results = Results(tmp_path)
    record = make_record([[1.0, 2.0]])
    for _ in range(3):
        results.write(record, results.new_launch(record.spec)[1])
    expected = results.summaries()
    index = tmp_path / "index.jsonl"
    whole = index.read_bytes()
    content = {
        "gone": None,
        "cut": whole[: len(whole) // 2],
        "garbage": b"\xff\x00 nothing\n" + whole,
        "stale": whole.replace(b"launch-003", b"launch-009"),
        "doubled": whole + whole,
    }[damage]
    index.unlink() if content is None else index.write_bytes(content)
    assert results.summaries() == expected
    assert len(expected) == 3
    assert Results(tmp_path).summaries() == expected


def test_a_point_is_one_harness_at_a_time(tmp_path, make_spec):
    first, second = Results(tmp_path), Results(tmp_path)
    spec = make_spec()
    with first.claimed(spec) as ours:
        assert ours
        with second.claimed(spec) as theirs:
            assert not theirs
        with second.claimed(make_spec(workers=2)) as other:
            assert other
    with second.claimed(spec) as theirs:
        assert theirs


def test_a_claim_ends_with_its_holder_however_that_ends(tmp_path, make_spec):
    spec = make_spec()
    (tmp_path / "spec.json").write_bytes(to_json(spec))
    hold = (
        "import sys, time; from pathlib import Path; from bench.store.results import Results\n"
        "from deepgalaxy.spec import RunSpec, read_json\n"
        "spec = read_json(Path(sys.argv[1]) / 'spec.json', RunSpec)\n"
        "with Results(Path(sys.argv[1])).claimed(spec) as ours: print(ours, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, cwd=REPOSITORY)
    assert process.stdout.readline() == b"True\n"
    with Results(tmp_path).claimed(spec) as ours:
        assert not ours
    process.kill()
    process.wait()
    with Results(tmp_path).claimed(spec) as ours:
        assert ours


def test_a_folder_that_cant_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"results folder .*file/x can't be written: Not a directory"):
        Results(tmp_path / "file" / "x")


def test_a_write_that_fails_leaves_the_old_content(tmp_path):
    path = tmp_path / "a"
    write_atomically(path, b"old")
    with pytest.raises(InputError, match="can't write"):
        write_atomically(path / "a", b"new")  # `path` is no folder
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
