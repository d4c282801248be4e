import numpy as np
import pytest

from bench.analysis.intervals import Launches
from bench.analysis.ratio import round_ratio, time_ratio
from deepgalaxy.errors import InputError


def launches(rng, count, n, ratio, noise, drift=0.0):
    """Pairs of timings whose true ratio is known; the machine's drift hits both alike."""
    pairs = []
    for _ in range(count):
        machine = 1 + drift * np.repeat(rng.normal(size=n // 8), 8)
        first, second = (scale * machine * (1 + noise * rng.normal(size=n)) for scale in (1.0, ratio))
        pairs.append((first, second))
    return pairs


def test_a_known_ratio_without_noise():
    value, low, high = time_ratio([(np.full(64, 2.0), np.full(64, 3.0))], 8, np.random.default_rng(0))
    assert value == low == high == pytest.approx(1.5)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        _, low, high = time_ratio(launches(rng, 1, 256, 0.9, 0.2), 8, rng, draws=400)
        hits += low <= 0.9 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_what_slows_both_does_not_widen_the_interval():
    rng = np.random.default_rng(0)
    _, low, high = time_ratio(launches(rng, 1, 512, 1.2, 0.01, drift=0.1), 8, rng)
    assert low <= 1.2 <= high
    assert high - low < 0.02


def rounds(rng, count, ratio, noise, drift):
    """Launches of two points in turn, of eight steps; a round's machine hits both."""
    machine = np.exp(drift * rng.normal(size=count))
    first, second = (
        Launches([np.full((1, 8), scale * m * np.exp(noise * rng.normal())) for m in machine], 4)
        for scale in (1.0, ratio)
    )
    return first, second


def test_rounds_tell_a_ratio_whatever_the_machine_did_meanwhile():
    rng = np.random.default_rng(0)
    value, low, high = round_ratio(*rounds(rng, 6, 1.3, 0.002, 0.3), rng)
    assert low < 1.3 < high
    assert value == pytest.approx(1.3, rel=0.01)
    assert high - low < 0.02


def test_the_interval_of_rounds_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [round_ratio(*rounds(rng, 3, 0.8, 0.05, 0.2), rng) for _ in range(400)]
    assert 0.92 <= np.mean([low <= 0.8 <= high for _, low, high in found]) <= 0.98


def test_a_single_round_has_its_steps_to_tell():
    rng = np.random.default_rng(0)
    first, second = (Launches([scale * (1 + 0.1 * rng.random((2, 16)))], 8) for scale in (1.0, 2.0))
    value, low, high = round_ratio(first, second, rng)
    assert low < value < high
    assert value == pytest.approx(2.0, rel=0.1)


def test_launches_without_a_counterpart_are_refused():
    one, two = (Launches([np.ones((1, 4))] * count, 1) for count in (1, 2))
    with pytest.raises(InputError, match="1 launches can't be held against 2"):
        round_ratio(one, two, np.random.default_rng(0))
