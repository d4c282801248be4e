import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.analysis.intervals import Launches, interval, throughput, throughput_draws
from bench.analysis.steady import steady_from

RNG = np.random.default_rng(0)


def test_throughput_is_all_images_over_the_slowest_ranks_time():
    steps = np.array([[1.0, 1.0], [1.0, 3.0]])
    assert throughput(steps, images_per_step=16) == pytest.approx(2 * 16 / 4.0)


@given(arrays(float, (3, 7), elements=st.floats(0.1, 10)))
def test_throughput_is_never_more_than_any_rank_alone_would_give(steps):
    assert throughput(steps, 24) <= 24 * 7 / steps.sum(axis=1).mean() * (1 + 1e-9)


def test_equal_steps_leave_no_doubt():
    (draws,) = throughput_draws({"a": Launches([np.full((2, 10), 0.5)] * 3, 16)}, RNG, draws=200).values()
    assert interval(draws) == pytest.approx((32, 32))


def test_one_step_of_one_launch_tells_nothing():
    (draws,) = throughput_draws({"a": Launches([np.array([[0.5]])], 16)}, RNG).values()
    assert np.isnan(interval(draws)).all()


def test_launches_that_differ_widen_the_interval():
    widths = []
    for factors in ((1, 1.001, 0.999, 1), (0.8, 0.9, 1.1, 1.2)):
        launches = Launches([np.full((1, 20), factor) for factor in factors], 8)
        (draws,) = throughput_draws({"a": launches}, RNG).values()
        widths.append(np.diff(interval(draws))[0])
    assert widths[0] < 0.05 < 0.5 < widths[1]


def test_what_one_point_shows_of_launches_counts_for_the_others_of_its_curve():
    steps = np.full((1, 20), 0.5) + 0.001 * np.arange(20)
    single = Launches([steps], 8)
    apart = Launches([0.9 * steps, 1.1 * steps], 8)
    alone = throughput_draws({"single": single}, RNG)["single"]
    beside = throughput_draws({"single": single, "apart": apart}, RNG)["single"]
    assert np.diff(interval(alone)) < 0.05 * np.diff(interval(beside))


MEAN_STEP_S = 0.5
OUTLIERS, OUTLIER_FACTOR = 0.03, 2.5


def made_launch(rng, steps: int, spread: float, ranks: int = 2):
    """Steps of a known mean, like a real machine's: skewed, each like the one before, some far out, ranks nearly alike.

    A launch as a whole is faster or slower than others by `spread`, as a share.
    """
    noise = 0.05 * (rng.gamma(4, 1, steps + 20) - 4) / 2  # skewness 1
    for i in range(1, len(noise)):
        noise[i] += 0.5 * noise[i - 1]  # autocorrelation 0.5
    times = (1 + noise[20:]) * np.where(rng.random(steps) < OUTLIERS, OUTLIER_FACTOR, 1)
    times /= 1 + OUTLIERS * (OUTLIER_FACTOR - 1)
    launch = rng.gamma(1 / spread**2, spread**2) if spread else 1.0
    lag = 1 + 1e-4 * rng.random((ranks, 1))
    return MEAN_STEP_S * launch * times * lag


@pytest.mark.parametrize(
    ("launches", "steps", "spread"),
    [(1, 300, 0.0), (2, 30, 0.05), (4, 40, 0.02), (8, 20, 0.1)],
    ids=["one launch", "two launches", "four launches, alike", "eight launches, far apart"],
)
def test_95_percent_intervals_contain_the_truth_in_93_to_97_percent_of_2000_trials(launches, steps, spread):
    rng = np.random.default_rng(5)
    images = {1: 8, 4: 32}  # by workers; the truth: 4 workers take as long a step as one
    held = {"throughput": 0, "efficiency": 0}
    trials = 2000
    for _ in range(trials):
        points = {
            workers: Launches([made_launch(rng, steps, spread) for _ in range(launches)], count)
            for workers, count in images.items()
        }
        draws = throughput_draws(points, rng, draws=1000)
        low, high = interval(draws[4])
        held["throughput"] += low <= 32 / MEAN_STEP_S <= high
        low, high = interval(draws[4] / draws[1] / 4)
        held["efficiency"] += low <= 1 <= high
    for name, inside in held.items():
        assert 0.93 <= inside / trials <= 0.97, (name, inside / trials)


def test_the_slow_beginning_of_a_run_is_cut_off():
    rng = np.random.default_rng(0)
    settling = np.concatenate([[3.0, 2.0, 1.5], rng.normal(1.0, 0.01, 20)])
    assert steady_from(settling) == 3
    assert steady_from(np.ones(20)) == 0
    assert steady_from(np.array([5.0, 1.0])) == 0
    assert steady_from(rng.normal(1, 0.1, 40)) <= 20
