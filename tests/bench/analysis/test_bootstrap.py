import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.analysis.bootstrap import interval, throughput, throughput_draws
from bench.analysis.steady import steady_from


def test_throughput_is_all_images_over_the_slowest_ranks_time():
    steps = np.array([[1.0, 1.0], [1.0, 3.0]])
    assert throughput(steps, images_per_step=16) == pytest.approx(2 * 16 / 4.0)


@given(arrays(float, (3, 7), elements=st.floats(0.1, 10)))
def test_throughput_is_never_more_than_any_rank_alone_would_give(steps):
    assert throughput(steps, 24) <= 24 * 7 / steps.sum(axis=1).mean() * (1 + 1e-9)


def test_equal_steps_leave_no_doubt():
    draws = throughput_draws([np.full((2, 10), 0.5)] * 3, 16, np.random.default_rng(0), draws=200)
    assert interval(draws) == pytest.approx((32, 32))


@pytest.mark.parametrize("steps", [20, 60])
def test_95_percent_intervals_contain_the_truth_about_95_percent_of_the_time(steps):
    rng = np.random.default_rng(7)
    inside = 0
    trials = 400
    for _ in range(trials):
        times = rng.gamma(20, 0.5 / 20, size=(1, steps))  # skewed, mean 0.5 s
        low, high = interval(throughput_draws([times], 8, rng, draws=300))
        inside += low <= 8 / 0.5 <= high
    assert 0.89 <= inside / trials <= 0.98


def test_launches_that_differ_widen_the_interval():
    rng = np.random.default_rng(0)
    alike = [np.full((1, 20), 1.0)] * 4
    apart = [np.full((1, 20), s) for s in (0.8, 0.9, 1.1, 1.2)]
    width = [np.diff(interval(throughput_draws(x, 8, rng)))[0] for x in (alike, apart)]
    assert width[0] < 1e-9 < 0.5 < width[1]


def test_the_slow_beginning_of_a_run_is_cut_off():
    rng = np.random.default_rng(0)
    settling = np.concatenate([[3.0, 2.0, 1.5], rng.normal(1.0, 0.01, 20)])
    assert steady_from(settling) == 3
    assert steady_from(np.ones(20)) == 0
    assert steady_from(np.array([5.0, 1.0])) == 0
    assert steady_from(rng.normal(1, 0.1, 40)) <= 20
