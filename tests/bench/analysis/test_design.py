import numpy as np
import pytest

from bench.analysis.design import better_level, effects, screening
from deepgalaxy.errors import InputError


@pytest.mark.parametrize("factors", range(1, 12))
def test_all_factors_are_told_apart_in_few_runs(factors):
    levels = screening(factors)
    assert levels.shape[1] == factors
    assert factors < len(levels) <= 2 * factors + 1
    assert set(levels.ravel()) == {0, 1}
    signs = 2 * levels - 1
    assert (signs.T @ signs == len(levels) * np.eye(factors)).all()  # any two are independent
    assert (signs.sum(axis=0) == 0).all()


def made(rng, truth, blocks, noise):
    """Launches of a design whose settings multiply the step by `truth`, on a machine that changes between blocks."""
    levels = np.vstack([screening(len(truth))] * blocks)
    block = np.repeat(np.arange(blocks), len(levels) // blocks)
    logs = levels @ np.log(truth) + 0.5 * block + noise * rng.normal(size=len(levels))
    return levels, block, np.exp(logs)


def test_effects_are_found_whatever_the_machine_does_between_blocks():
    truth = [0.7, 1.0, 1.2]
    table = effects(["a", "b", "c"], *made(np.random.default_rng(0), truth, 3, 0.01))
    assert list(table["step_ratio"]) == pytest.approx(truth, rel=0.03)
    first, _, last = (better_level(row) for row in table.to_dict("records"))
    assert (first, last) == (1, 0)


def test_a_doubtful_effect_decides_nothing():
    assert better_level({"step_ratio_low": 0.9, "step_ratio_high": 1.01}) is None


def test_an_interval_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = []
    for _ in range(300):
        table = effects(list("abcdefg"), *made(rng, np.ones(7), 2, 0.1))
        hits += list((table["step_ratio_low"] <= 1) & (table["step_ratio_high"] >= 1))
    assert 0.93 <= np.mean(hits) <= 0.97


def test_launches_that_failed_may_leave_too_few():
    levels, block, times = made(np.random.default_rng(0), np.ones(7), 1, 0.1)
    with pytest.raises(InputError, match="8 launches can't tell 7 settings apart"):
        effects(list("abcdefg"), levels, block, times)
