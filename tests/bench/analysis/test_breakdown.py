import msgspec
import numpy as np
import pytest

from bench.analysis.breakdown import breakdown_table
from deepgalaxy.record import StepSplit


def split_record(make_record, parts, rounds=12, noise=0.0, ranks=2, **fields):
    """A record whose steps take compute, optimizer and exchange seconds, with noise that all kinds share alike."""
    compute, optimizer, exchange = parts
    rng = np.random.default_rng(4)
    record = make_record([[sum(parts)] * 5] * ranks, **fields)
    new = []
    for rank in record.ranks:
        slow = 1 + noise * rng.standard_normal((3, rounds))
        split = StepSplit(
            whole_s=(sum(parts) * slow[0]).tolist(),
            alone_s=((compute + optimizer) * slow[1]).tolist(),
            compute_s=(compute * slow[2]).tolist(),
        )
        new.append(msgspec.structs.replace(rank, split=split, exchange_s={"allreduce": 0.02, "negotiation": 0.01}))
    return msgspec.structs.replace(record, ranks=new)


def test_differences_of_the_kinds_are_the_parts(make_record):
    row = breakdown_table([split_record(make_record, (0.3, 0.02, 0.05))]).iloc[0]
    assert row["compute_s"] == pytest.approx(0.3)
    assert row["optimizer_s"] == pytest.approx(0.02)
    assert row["exchange_s"] == pytest.approx(0.05)
    assert row["step_time_s"] == pytest.approx(0.37)
    assert row["provenance"] == "measured"
    assert (row["allreduce_s"], row["negotiation_s"]) == (0.02, 0.01)
    assert np.isnan(row["fusion_s"])


def test_intervals_hold_the_parts_amid_noise(make_record):
    row = breakdown_table([split_record(make_record, (0.3, 0.02, 0.05), rounds=40, noise=0.02)]).iloc[0]
    for part, truth in (("compute", 0.3), ("optimizer", 0.02), ("exchange", 0.05)):
        assert row[f"{part}_low"] < truth < row[f"{part}_high"]
    assert row["exchange_high"] - row["exchange_low"] < 0.02


def test_a_worker_alone_exchanges_nothing_whatever_the_noise(make_record):
    row = breakdown_table([split_record(make_record, (0.3, 0.02, 0.0), rounds=3, noise=0.1, ranks=1)]).iloc[0]
    assert (row["exchange_s"], row["exchange_low"], row["exchange_high"]) == (0, 0, 0)


def test_records_that_were_not_split_have_no_row(make_record):
    assert breakdown_table([make_record([[1.0] * 4])]).empty
    assert breakdown_table([]).empty
