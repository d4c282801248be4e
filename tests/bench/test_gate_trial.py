"""The table of trials, on made launches; real ones are a matter of an hour (`dgbench gate-trial`)."""

import numpy as np
import pytest

from bench.gate_trial import AGAIN, REFERENCE, told


@pytest.fixture
def launches(make_record):
    rng = np.random.default_rng(3)

    def make(seconds, count, drift=0.0):
        """Launches whose step takes so long, within 1%, while the machine slows down by `drift` over all of them."""
        slower = 1 + drift * np.arange(count) / count
        return [make_record([[seconds * slow * rng.normal(1, 0.01)] * 5], launch=i) for i, slow in enumerate(slower)]

    return make


def test_equal_workers_pass_and_slowed_ones_are_found(launches):
    groups = {REFERENCE: launches(1.0, 40), AGAIN: launches(1.0, 40), "slowed by 10%": launches(1.1, 40)}
    table = told(groups, launches=4, effect=0.05).set_index("workers are")
    assert list(table["trials"]) == [10, 10]
    assert table.loc[AGAIN, "regressed"] == table.loc[AGAIN, "improved"] == 0
    assert table.loc["slowed by 10%", "regressed"] >= 9
    assert table.loc["slowed by 10%", "ratio"] == pytest.approx(1 / 1.1, rel=0.01)
    assert set(table["provenance"]) == {"measured"}


def test_launches_of_a_trial_lie_apart_and_so_hold_the_drift(launches):
    groups = {REFERENCE: launches(1.0, 40, drift=0.2), AGAIN: launches(1.0, 40, drift=0.2)}
    table = told(groups, launches=4, effect=0.05)
    assert table["regressed"].sum() + table["improved"].sum() == 0
    assert table["inconclusive"].sum() >= 8  # the interval has grown with the drift


def test_what_is_not_whole_yet_is_left_out(launches):
    table = told({REFERENCE: launches(1.0, 7), AGAIN: launches(1.0, 6)}, launches=3, effect=0.05)
    assert list(table["trials"]) == [2]
