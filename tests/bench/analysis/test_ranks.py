import msgspec
import pytest

from bench.analysis.ranks import phase_table, skew_table
from deepgalaxy.record import MemorySample
from deepgalaxy.spec import NO_BACKBONE
from deepgalaxy.words import Mode

GIB = 2**30


def test_the_slow_rank_stands_out(make_record):
    table = skew_table([make_record([[1.0] * 4, [1.0] * 4, [1.2] * 4])])
    assert list(table["rank"]) == [0, 1, 2]
    assert table.loc[table["relative"].idxmax(), "rank"] == 2
    assert table["relative"].max() == pytest.approx(1.2, rel=0.01)
    assert set(table["of"]) == {"whole step"}


def test_of_ranks_that_only_load_the_whole_batch_is_compared(make_record):
    record = make_record([[1.0] * 4, [1.5] * 4], mode=Mode.LOAD, backbone=NO_BACKBONE)
    ranks = [msgspec.structs.replace(rank, data_wait_s=rank.step_time_s) for rank in record.ranks]
    table = skew_table([msgspec.structs.replace(record, ranks=ranks)])
    assert list(table["work_s"]) == pytest.approx([1.0, 1.5], rel=0.01)


def test_only_the_last_good_launch_is_shown(make_record):
    table = skew_table([make_record([[1.0] * 4] * 2), make_record([[2.0] * 4] * 2, launch=2)])
    assert list(table["work_s"]) == pytest.approx([2.0, 2.0], rel=0.1)
    assert skew_table([]).empty


def test_memory_by_phase_is_of_the_hungriest_rank_and_the_fullest_node(make_record):
    record = make_record([[1.0] * 4] * 3)

    def rank(number, host, build):
        samples = [
            MemorySample(phase=phase, rss_bytes=size, pss_bytes=size, peak_rss_bytes=size + GIB)
            for phase, size in (("import", GIB), ("build", build))
        ]
        times = {"import": 2.0 + number, "build": 1.0}
        old = record.ranks[number]
        return msgspec.structs.replace(old, hostname=host, memory=samples, phase_time_s=times)

    ranks = [rank(0, "a", 2 * GIB), rank(1, "a", 3 * GIB), rank(2, "b", 4 * GIB)]
    table = phase_table([msgspec.structs.replace(record, ranks=ranks)]).set_index("phase")
    assert list(table.index) == ["import", "build"]
    assert table.at["build", "pss_bytes"] == 4 * GIB
    assert table.at["build", "node_pss_bytes"] == 5 * GIB  # node a's two ranks
    assert table.at["build", "peak_rss_bytes"] == 5 * GIB
    assert table.at["import", "time_s"] == 4.0
