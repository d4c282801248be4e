import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

distributed = pytest.importorskip("deepgalaxy.training.distributed")

LISTS = st.lists(st.tuples(st.integers(0, 400), st.sampled_from([tf.float32, tf.bfloat16])), max_size=30)


@given(LISTS, st.floats(0, 2000))
def test_neighbours_of_one_type_travel_together_until_there_is_enough_of_them(lengths, size_bytes):
    gradients = [tf.zeros((length,), dtype) for length, dtype in lengths]
    found = distributed.buckets(gradients, size_bytes)
    assert [id(g) for bucket in found for g in bucket] == [id(g) for g in gradients]
    for bucket in found:
        assert len({g.dtype for g in bucket}) == 1
        assert sum(g.shape[0] * g.dtype.size for g in bucket[:-1]) < max(size_bytes, 1)


def test_of_no_size_is_a_message_a_gradient():
    assert [len(bucket) for bucket in distributed.buckets([tf.zeros((3,))] * 4, 0)] == [1] * 4
