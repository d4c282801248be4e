"""Costs against their closed forms, and against an exchange that is followed message by message."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.projection.allreduce import Fabric, allreduce_s, halving_doubling, hierarchical, recursive_doubling, ring

FABRIC = Fabric(
    latency_s=1e-5,
    node_bandwidth=1e9,
    local_latency_s=1e-6,
    local_bandwidth=1e10,
    reduction_bandwidth=np.inf,
    staging_bandwidth=0.0,
    host=True,
)

COSTS = [ring, halving_doubling, recursive_doubling, hierarchical, allreduce_s]


def test_a_ring_of_single_workers_is_the_textbooks():
    assert ring(8e6, 16, 1, FABRIC) == pytest.approx(2 * 15 * 1e-5 + 2 * 15 / 16 * 8e6 / 1e9)


def test_rabenseifner_sends_as_much_as_a_ring_in_fewer_rounds():
    assert halving_doubling(8e6, 16, 1, FABRIC) == pytest.approx(2 * 4 * 1e-5 + 2 * 15 / 16 * 8e6 / 1e9)


@pytest.mark.parametrize("nodes", [2, 4, 8])
def test_halving_doubling_followed_message_by_message(nodes):
    """Far partners first: each round halves what is sent; all workers of a node share its link."""
    per_node, m = 4, 8e6
    workers = nodes * per_node
    seconds, share, distance = 0.0, m, workers // 2
    while distance:
        share /= 2
        if distance >= per_node:
            seconds += 2 * (1e-5 + per_node * share / 1e9)
        else:
            seconds += 2 * (1e-6 + share / 1e10)
        distance //= 2
    assert halving_doubling(m, workers, per_node, FABRIC) == pytest.approx(seconds, rel=1e-6)


def test_two_levels_spare_rounds():
    flat, levels = (cost(64.0, 512, 8, FABRIC) for cost in (ring, hierarchical))
    assert levels < 0.7 * flat


@pytest.mark.parametrize("cost", COSTS)
def test_one_worker_has_nothing_to_exchange(cost):
    assert cost(1e6, 1, 4, replace(FABRIC, staging_bandwidth=0.0)) == 0


@given(
    st.sampled_from(COSTS),
    st.floats(1e2, 1e10),
    st.integers(1, 12).map(lambda k: 2**k),
    st.sampled_from([1, 2, 4, 8]),
    st.floats(1.1, 10),
)
def test_more_bytes_and_slower_links_never_take_less(cost, m, workers, per_node, factor):
    now = cost(m, workers, per_node, FABRIC)
    assert np.all(cost(m * factor, workers, per_node, FABRIC) >= now * (1 - 1e-9) - (m < 16384) * 1)
    slower = replace(FABRIC, node_bandwidth=FABRIC.node_bandwidth / factor, latency_s=FABRIC.latency_s * factor)
    assert np.all(cost(m, workers, per_node, slower) >= now * (1 - 1e-9))


def test_draws_go_through():
    drawn = replace(FABRIC, node_bandwidth=np.array([1e9, 2e9]))
    fast, slow = allreduce_s(1e8, 8, 1, drawn)[::-1]
    assert slow == pytest.approx(2 * fast, rel=0.05)
