import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgalaxy import runtime
from deepgalaxy.errors import InputError
from deepgalaxy.runtime import HUGE, KEEP, Settings, variables


def test_threads_follow_the_cores_unless_told():
    assert variables(Settings(), 3)["OMP_NUM_THREADS"] == variables(Settings(), 3)["TF_NUM_INTRAOP_THREADS"] == "3"
    assert variables(Settings(intra_threads=5), 3)["OMP_NUM_THREADS"] == "5"


def test_what_is_left_to_others_is_not_set():
    assert not {"GLIBC_TUNABLES", "LD_PRELOAD", "HOROVOD_CYCLE_TIME", "HOROVOD_FUSION_THRESHOLD"} & set(
        variables(Settings(keep_memory=False, huge_pages=False), 1)
    )


def test_gradients_are_joined_where_ranks_compute_on_their_cores():
    assert runtime.bucket_bytes(variables(Settings(), 1)) == 25 * 2**20
    assert runtime.bucket_bytes(variables(Settings(), 1, busy=False)) == 0
    assert runtime.bucket_bytes(variables(Settings(bucket_mb=2.5), 1, busy=False)) == 2.5 * 2**20
    assert runtime.bucket_bytes({}) == 0


def test_large_gradients_may_travel_alone_and_horovod_then_leaves_them_so():
    assert runtime.lone_bytes(variables(Settings(), 1)) == math.inf
    alone = variables(Settings(lone_kb=32), 1)
    assert (runtime.lone_bytes(alone), alone["HOROVOD_FUSION_THRESHOLD"]) == (32 * 2**10, str(2**20))
    assert variables(Settings(lone_kb=32, fusion_mb=4), 1)["HOROVOD_FUSION_THRESHOLD"] == str(4 * 2**20)
    for settings, busy in ((Settings(lone_kb=32, bucket_mb=0), True), (Settings(lone_kb=32), False)):
        assert not {runtime.LONE, "HOROVOD_FUSION_THRESHOLD"} & set(variables(settings, 1, busy=busy))


def test_every_setting_is_a_variable_that_its_reader_knows():
    found = variables(
        Settings(
            keep_memory=True, huge_pages=True, arenas=2, preload="lib.so", cycle_time_ms=2.5, fusion_mb=64, onednn=False
        ),
        1,
    )
    assert found["GLIBC_TUNABLES"] == f"{HUGE}:{KEEP}:glibc.malloc.arena_max=2"
    assert found["LD_PRELOAD"] == "lib.so"
    assert (found["HOROVOD_CYCLE_TIME"], found["HOROVOD_FUSION_THRESHOLD"]) == ("2.5", str(64 * 2**20))
    assert found["TF_ENABLE_ONEDNN_OPTS"] == "0"


@given(st.integers(1, 64), st.integers(0, 19), st.booleans())
def test_a_rank_reads_what_it_was_told(inter, nice, grappler):
    told = variables(Settings(inter_threads=inter, niceness=nice, grappler=grappler), 1)
    assert (runtime.inter_threads(told), runtime.niceness(told), runtime.grappler(told)) == (inter, nice, grappler)


def test_without_being_told_it_has_the_defaults():
    assert (runtime.inter_threads({}), runtime.niceness({}), runtime.grappler({})) == (2, 0, False)


def test_a_process_keeps_what_its_user_has_set():
    environment = {"OMP_NUM_THREADS": "7"}
    runtime.prepare(2, environment)
    assert environment["OMP_NUM_THREADS"] == "7"
    assert environment["TF_NUM_INTRAOP_THREADS"] == "2"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"inter_threads": 0}, r"runtime.inter_threads 0 is outside 1 to 4096"),
        ({"niceness": 20}, r"runtime.niceness 20 is outside 0 to 19"),
        ({"cycle_time_ms": -1.0}, r"runtime.cycle_time_ms -1.0 is outside 0 to 1000"),
    ],
)
def test_a_value_out_of_its_range_is_refused(fields, told):
    with pytest.raises(InputError, match=told):
        Settings(**fields)


def test_a_variable_that_is_no_number_is_named():
    with pytest.raises(InputError, match="TF_NUM_INTEROP_THREADS is 'two'"):
        runtime.inter_threads({"TF_NUM_INTEROP_THREADS": "two"})
    with pytest.raises(InputError, match="DEEPGALAXY_BUCKET_MB is 'large'"):
        runtime.bucket_bytes({runtime.BUCKET: "large"})
