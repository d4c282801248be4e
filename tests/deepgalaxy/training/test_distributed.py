import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from deepgalaxy import runtime

distributed = pytest.importorskip("deepgalaxy.training.distributed")

LISTS = st.lists(st.tuples(st.integers(0, 400), st.sampled_from([tf.float32, tf.bfloat16])), max_size=30)


@given(LISTS, st.floats(0, 2000))
def test_neighbours_of_one_type_travel_together_until_there_is_enough_of_them(lengths, size_bytes):
    gradients = [tf.zeros((length,), dtype) for length, dtype in lengths]
    found = distributed.buckets(gradients, size_bytes)
    assert [i for bucket in found for i in bucket] == list(range(len(gradients)))
    for bucket in found:
        assert len({gradients[i].dtype for i in bucket}) == 1
        assert sum(_bytes(gradients[i]) for i in bucket[:-1]) < max(size_bytes, 1)


@given(LISTS, st.floats(0, 2000), st.floats(0, 2000))
def test_the_large_ones_travel_alone_and_the_others_as_if_those_were_not_there(lengths, size_bytes, lone_bytes):
    gradients = [tf.zeros((length,), dtype) for length, dtype in lengths]
    found = distributed.buckets(gradients, size_bytes, lone_bytes)
    large = [i for i, g in enumerate(gradients) if _bytes(g) >= lone_bytes]
    small = [i for i in range(len(gradients)) if i not in large]
    among_themselves = distributed.buckets([gradients[i] for i in small], size_bytes)
    assert [bucket for bucket in found if bucket[0] in large] == [[i] for i in large]
    assert [b for b in found if b[0] in small] == [[small[k] for k in bucket] for bucket in among_themselves]


def _bytes(gradient):
    return gradient.shape[0] * gradient.dtype.size


def test_of_no_size_is_a_message_a_gradient():
    assert [len(bucket) for bucket in distributed.buckets([tf.zeros((3,))] * 4, 0)] == [1] * 4


PRIORITIES = """
import os, sys
import horovod.tensorflow as hvd
from deepgalaxy.training.distributed import connect

local_size = hvd.local_size
hvd.local_size = lambda: local_size() if sys.argv[1] == "one node" else 1
ranks = connect(yielding=True)
found = {os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir("/proc/self/task")}
own = os.getpriority(os.PRIO_PROCESS, os.getpid())
ranks.leave()
print(*sorted(priority - own for priority in found))
"""


@pytest.mark.horovod
@pytest.mark.parametrize(("where", "priorities"), [("one node", "0 7"), ("several nodes", "0")])
def test_threads_that_wait_give_way_to_the_computation_on_one_node(run_ranks, monkeypatch, where, priorities):
    monkeypatch.setenv(runtime.NICENESS, "7")
    assert run_ranks(2, "-c", PRIORITIES, where).stdout.splitlines() == [priorities] * 2
