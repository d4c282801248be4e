import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.turns import by_turns, in_step_times, ratio, turn_times
from deepgalaxy.errors import InputError


def test_the_first_step_of_a_turn_is_not_compared(make_record):
    record = make_record([[9.0, 1.0, 2.0, 9.0, 3.0, 4.0]], turn_steps=3)
    assert by_turns(record).tolist() == [[[1.0, 2.0], [3.0, 4.0]]]
    assert turn_times(record).tolist() == [3.0, 7.0]


def test_a_turn_lasts_as_long_as_its_slowest_rank_or_as_the_slowest_of_every_step(make_record):
    record = make_record([[9.0, 1.0, 2.0], [9.0, 2.0, 1.5]], turn_steps=3)
    assert turn_times(record).tolist() == [3.5]
    assert in_step_times(record).tolist() == [4.0]


def test_a_run_without_turns_is_named(make_record):
    with pytest.raises(InputError, match="train-EfficientNetB0.* took no turns"):
        by_turns(make_record([[1.0] * 4]))


@given(st.floats(0.2, 5.0), st.integers(1, 4), st.integers(0, 1000))
def test_what_slows_both_for_a_while_is_no_part_of_the_ratio(truth, pairs, seed):
    rng = np.random.default_rng(seed)
    machine = rng.uniform(1, 3, (pairs, 6))
    value, low, high = ratio([(now, truth * now) for now in machine])
    assert value == pytest.approx(truth)
    assert low == pytest.approx(truth)
    assert high == pytest.approx(truth)


def test_one_disturbed_turn_does_not_move_the_ratio():
    first, second = np.ones(7), np.full(7, 1.3)
    second[3] = 50.0
    assert ratio([(first, second)])[0] == pytest.approx(1.3)


@pytest.mark.parametrize("pairs", [1, 2, 3])
def test_intervals_hold_the_truth_as_often_as_they_say(pairs):
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        launches = rng.normal(0, 0.03 if pairs > 1 else 0, pairs)
        made = [(np.ones(8), 1.2 * np.exp(launch + rng.normal(0, 0.05, 8))) for launch in launches]
        _, low, high = ratio(made)
        held += low <= 1.2 <= high
    assert 0.91 <= held / 400 <= 0.99


def test_launches_that_agree_by_chance_are_no_surer_than_their_turns():
    turns = np.ones(9), 1.2 * np.exp(np.linspace(-0.1, 0.1, 9))
    value, low, high = ratio([turns, turns])
    assert value == pytest.approx(1.2)
    assert 1.10 < low < 1.15
    assert 1.25 < high < 1.31


def test_a_disturbed_turn_makes_several_launches_no_less_sure():
    quiet, disturbed = np.full(9, 1.2), np.array([1.2] * 8 + [50.0])
    _, low, high = ratio([(np.ones(9), quiet * 1.01), (np.ones(9), disturbed)])
    assert high / low < 1.2


@pytest.mark.parametrize("pairs", [[], [(np.ones(3), np.ones(2))]])
def test_sides_without_the_same_turns_have_no_ratio(pairs):
    with pytest.raises(InputError, match="each needs the same turns"):
        ratio(pairs)


def test_a_single_turn_says_nothing_of_how_sure_it_is():
    assert ratio([(np.ones(1), np.full(1, 2.0))]) == (pytest.approx(2.0), 0.0, float("inf"))
