"""Where a step's time goes, with known answers."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from bench.analysis.exchange import exchange_times_s
from bench.analysis.terms import terms_table
from deepgalaxy.record import StepSplit
from deepgalaxy.words import Outcome, Provenance


@pytest.fixture
def emulated(make_record):
    """A record of ranks that were ready after `ready` and done after `whole`, each (ranks, steps)."""

    def made(whole, ready, **fields):
        record = make_record(whole, provenance=Provenance.EMULATED, **fields)
        ranks = [
            msgspec.structs.replace(
                rank,
                split=StepSplit(whole_s=list(w), alone_s=list(r), compute_s=list(r)),
                machine_busy_share=0.1 * (1 + rank.rank),
            )
            for rank, w, r in zip(record.ranks, whole, ready, strict=True)
        ]
        return msgspec.structs.replace(record, ranks=ranks)

    return made


def test_the_three_terms_by_hand_and_their_sum(emulated):
    # Ready after 4 and 6 of 10 seconds in each step: 5 computing on average, 1 for the slower rank, 4 exchange.
    (row,) = terms_table([emulated([[10.0, 10.0]] * 2, [[4.0, 4.0], [6.0, 6.0]])]).to_dict("records")
    assert row["step_time_s"] == 10
    assert (row["compute_share"], row["slowest_share"], row["exchange_share"]) == pytest.approx((0.5, 0.1, 0.4))
    assert row["machine_busy_share"] == pytest.approx(0.2)
    assert row["provenance"] == "emulated"


def test_launches_are_joined_and_points_stay_apart(emulated):
    first, again = emulated([[10.0]], [[5.0]]), emulated([[20.0]], [[5.0]], launch=2)
    two = emulated([[10.0]] * 2, [[5.0]] * 2)
    table = terms_table([two, first, again])
    assert table["workers"].tolist() == [1, 2]
    assert table["step_time_s"].tolist() == [15.0, 10.0]


def test_points_that_computed_or_failed_have_no_terms(make_record):
    failed = make_record([[1.0]], Outcome.HANG, "hung", provenance=Provenance.EMULATED)
    assert terms_table([make_record([[1.0]]), failed]).empty


def test_an_exchange_is_what_follows_readiness(emulated):
    record = emulated([[1.0, 2.0], [1.5, 2.5]], [[0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(exchange_times_s(record), [0.75, 1.75])
