from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.store.results import Results, write_atomically
from deepgalaxy.errors import InputError
from deepgalaxy.spec import Outcome


def test_a_stored_record_is_found_again(tmp_path, make_record):
    results = Results(tmp_path / "campaign")
    record = make_record([[1.0, 2.0]])
    number, folder = results.new_launch(record.spec)
    assert number == 1
    assert not results.has_ok(record.spec)
    results.write(record, folder)
    assert results.has_ok(record.spec)
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


def test_a_failed_launch_is_no_ok(tmp_path, make_record):
    results = Results(tmp_path)
    record = make_record([[1.0]], outcome=Outcome.HANG, reason="silent")
    results.write(record, results.new_launch(record.spec)[1])
    assert not results.has_ok(record.spec)


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
