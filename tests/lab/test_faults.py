"""What becomes of a run when its network or a host fails: each has its outcome, in bounded time."""

from __future__ import annotations

import time

import pytest

from bench.lab import faults
from bench.lab.links import WIRE_SHARE, Link
from deepgalaxy.errors import InputError
from deepgalaxy.words import Outcome
from tests.lab.conftest import PAYLOAD_BYTES

BEFORE = 4
"""Steps that all is well, two of them warm-up."""

LIMITS = {"step_s": 15.0, "start_s": 120.0, "total_s": 240.0}
CUT_S = 5.0


@pytest.mark.parametrize("launcher", ["mpirun", "horovodrun"])
def test_a_host_that_dies_is_a_lost_rank(lab, start, launcher):
    point = start(launcher=launcher, steps=400, limits=LIMITS)
    point.wait_for_step(BEFORE)
    faults.kill_host(lab, "h3")
    record = point.record()
    assert record.outcome is Outcome.RANK_LOST, record.reason
    assert "ended without its record" in record.reason
    assert not record.ranks


def test_a_link_that_is_cut_for_seconds_costs_seconds(lab, start):
    point = start(steps=20, limits=LIMITS)
    point.wait_for_step(BEFORE)
    faults.cut_link(lab, "h2")
    time.sleep(CUT_S)
    faults.mend_link(lab, "h2")
    record = point.record()
    assert record.outcome is Outcome.OK, record.reason
    slowest = max(max(rank.step_time_s) for rank in record.ranks)
    assert slowest > 0.9 * CUT_S - 0.3  # all of the cut, but for the step that it fell into


def test_a_link_that_is_cut_for_good_is_a_hang(lab, start):
    point = start(steps=400, limits=LIMITS)
    point.wait_for_step(BEFORE)
    faults.cut_link(lab, "h2")
    record = point.record()
    assert record.outcome is Outcome.HANG, record.reason
    assert "has done nothing for" in record.reason


def test_a_link_a_hundred_times_slower_slows_all_ranks_as_much_as_it_must(lab, start):
    point = start(steps=6, limits=LIMITS | {"step_s": 60.0})
    point.wait_for_step(BEFORE)
    faults.change_link(lab, "h2", Link(rate="1mbit"))
    record = point.record()
    assert record.outcome is Outcome.OK, record.reason
    sent = 2 * (3 - 1) / 3 * PAYLOAD_BYTES / WIRE_SHARE
    bucket = 30_000  # of the queue: passes at once, and fills again while the rank computes
    least = 8 * (sent - 2 * bucket) / 1e6
    assert all(rank.step_time_s[-1] > least for rank in record.ranks)
    assert all(rank.step_time_s[0] < least for rank in record.ranks)


def test_damaged_packets_are_sent_again_and_no_gradient_is_wrong(lab, start):
    try:
        faults.damage_packets(lab, "h2", one_in=50)
    except InputError as error:
        pytest.skip(str(error))
    record = start(steps=6, limits=LIMITS).record()
    assert record.outcome is Outcome.OK, record.reason  # the worker looks at every element of the last sums
    assert sum(faults.damaged(lab, host) for host in lab.hosts) > 0
