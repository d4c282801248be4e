"""What exchanges of one and two workers say of more: known laws are found again."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.projection.exchange import MeasuredFabric, fitted

SIZES = (4, 64, 2**16, 2**20, 2**24)
EACH_S, LATENCY_S, COORDINATION_S, BANDWIDTH = 0.001, 2e-4, 5e-4, 1e8


def times(constant, bandwidth=np.inf):
    return {size: [constant + size / bandwidth] * 3 for size in SIZES}


def exchanges(by_mpi):
    together = times(EACH_S + 2 * LATENCY_S + COORDINATION_S, BANDWIDTH)
    return fitted(times(EACH_S), together, times(LATENCY_S, BANDWIDTH) if by_mpi else None)


def test_a_network_that_follows_the_law_is_found_again():
    found = exchanges(by_mpi=True)
    assert found.each_s == pytest.approx(EACH_S)
    assert found.fabric.latency_s == pytest.approx(LATENCY_S, rel=0.1)
    assert found.fabric.coordination_s == pytest.approx(COORDINATION_S, rel=0.1)
    assert found.fabric.node_bandwidth == pytest.approx(BANDWIDTH, rel=0.01)


@pytest.mark.parametrize(("by_mpi", "agreeing"), [(True, 3 * COORDINATION_S), (False, None)])
def test_on_more_workers_the_ring_has_more_rounds_and_they_agree_by_doubling_or_by_a_ring(by_mpi, agreeing):
    fabric = exchanges(by_mpi).fabric
    m, workers = 2**26, 8
    volume = 2 * 7 / 8 * m / BANDWIDTH
    # Gloo: all that two workers need beyond one, seven times
    latency = agreeing + 14 * LATENCY_S if by_mpi else 7 * (2 * LATENCY_S + COORDINATION_S)
    assert fabric.allreduce_s(m, workers, 1) == pytest.approx(volume + latency, rel=0.01)
    assert fabric.allreduce_s(m, 1, 1) == 0


def test_a_slow_outlier_does_not_bend_the_line():
    together = times(EACH_S, BANDWIDTH)
    together[2**20] = [*together[2**20], 10.0]
    assert fitted(times(EACH_S), together, None).fabric.node_bandwidth == pytest.approx(BANDWIDTH, rel=0.01)


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=5, max_size=5), st.floats(1e-6, 1.0), st.booleans(), st.integers(2, 1024)
)
def test_whatever_was_timed_an_exchange_takes_some_time_and_the_more_the_larger_it_is(seconds, each, mpi, workers):
    together = {size: [value] for size, value in zip(SIZES, seconds, strict=True)}
    fabric = fitted({4: [each]}, together, together if mpi else None).fabric
    small, large = (fabric.allreduce_s(m, workers, 1) for m in (4, 2**30))
    assert 0 <= small <= large


def test_one_size_is_no_line():
    with pytest.raises(ValueError, match="two or more"):
        fitted({4: [1.0]}, {4: [1.0]}, None)


def test_a_fabric_takes_draws():
    fabric = MeasuredFabric(
        latency_s=np.full(5, 1e-4), node_bandwidth=np.full(5, 1e9), coordination_s=0.0, ring_coordination=True
    )
    assert fabric.allreduce_s(1e6, 4, 1).shape == (5,)


def test_workers_on_the_same_cores_handle_their_bytes_one_after_the_other():
    copying = 2e-10  # seconds a byte that one worker alone needs
    alone = {size: [EACH_S + size * copying] for size in SIZES}
    fabric = fitted(alone, times(EACH_S, BANDWIDTH), None).fabric
    m = 2**26
    own = fabric.allreduce_s(m, 16, 1)
    assert replace(fabric, shared_cores=16).allreduce_s(m, 16, 1) == pytest.approx(own)
    # Copies are 4 reads and writes, adding 3 more; 16 workers on 2 cores take 8 turns where one was measured.
    queueing = replace(fabric, shared_cores=2).allreduce_s(m, 16, 1) - own
    assert queueing == pytest.approx(7 * 7 / 4 * copying * m, rel=1e-4)
