from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.projection.step import TERMS, Work, efficiency, expected_maximum, step
from tests.bench.projection.test_allreduce import FABRIC

WORK = Work(
    compute_s=0.6,
    gradient_bytes=1e8,
    front_loading=1.0,
    cycle_s=1e-4,
    fusion_bytes=1e7,
    jitter=0.0,
    node_share=0.0,
    contention=0.0,
    stolen=0.0,
)


def test_one_worker_only_computes():
    alone = step(1, 4, replace(WORK, jitter=0.1, contention=0.1), FABRIC)
    assert alone.total_s == pytest.approx(0.6)
    assert [getattr(alone, term) for term in TERMS[1:]] == [0, 0, 0]


def test_a_fast_network_is_hidden_but_for_the_last_message():
    fast = replace(FABRIC, node_bandwidth=1e12, latency_s=1e-7)
    assert step(8, 1, WORK, fast).exchange_s < 0.03


def test_a_slow_network_takes_as_long_as_its_link():
    slow = replace(FABRIC, node_bandwidth=1e7)
    taken = step(8, 1, WORK, slow)
    wire = 2 * 7 / 8 * 1e8 / 1e7
    assert taken.total_s == pytest.approx(0.2 + wire, rel=0.05)  # it can begin with the backward pass


def test_early_gradients_hide_more():
    slow = replace(FABRIC, node_bandwidth=4e8)
    late, early = (step(8, 1, replace(WORK, front_loading=a), slow).total_s for a in (3.0, 0.1))
    assert early < late - 0.05


@pytest.mark.parametrize("workers", [2, 16, 256])
def test_stragglers_are_the_expected_maximum(workers):
    draws = np.random.default_rng(0).standard_normal((20_000, workers)).max(axis=1)
    assert expected_maximum(workers, 1, 0.0) == pytest.approx(draws.mean(), rel=0.04)


def test_workers_of_a_node_that_slow_down_together_are_fewer_chances():
    assert expected_maximum(64, 8, 1.0) == pytest.approx(expected_maximum(8, 1, 0.0))
    assert expected_maximum(64, 8, 1.0) < expected_maximum(64, 8, 0.0)


@given(
    st.integers(1, 12).map(lambda k: 2**k),
    st.sampled_from([1, 2, 4, 8]),
    st.floats(1e4, 1e10),
    st.floats(1e7, 1e11),
    st.floats(0, 0.3),
    st.floats(0.02, 5),
)
def test_terms_add_up_and_efficiency_is_a_share(workers, per_node, gradient_bytes, bandwidth, jitter, front_loading):
    work = replace(WORK, gradient_bytes=gradient_bytes, jitter=jitter, front_loading=front_loading, contention=0.05)
    fabric = replace(FABRIC, node_bandwidth=bandwidth)
    taken = step(workers, per_node, work, fabric)
    assert taken.total_s == pytest.approx(sum(getattr(taken, term) for term in TERMS))
    assert all(getattr(taken, term) >= 0 for term in TERMS)
    assert 0 < efficiency(workers, 1, per_node, work, fabric) <= 1 + 1e-9
