import numpy as np
import pytest

from bench.analysis.ratio import time_ratio


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
