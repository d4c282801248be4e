import numpy as np
import pytest

from bench.analysis.precision import precision_table
from bench.report.tables import readable_precisions, write_precisions
from deepgalaxy.words import Engine, Mode, Outcome, Precision


@pytest.fixture
def ran(make_record):
    def make(seconds, precision=Precision.FP32, engine=Engine.TENSORFLOW, **fields):
        steps = seconds * np.random.default_rng(0).uniform(0.99, 1.01, 12)
        return make_record(steps, **({"mode": Mode.INFER, "precision": precision, "engine": engine} | fields))

    return make


def test_the_fastest_in_each_precision_are_compared(ran, tmp_path):
    records = [
        ran(1.0),
        ran(0.8, engine=Engine.ITEX),
        ran(0.9, Precision.BF16),
        ran(0.4, Precision.BF16_AMP, Engine.ITEX),
        ran(0.1, Precision.BF16, resolution=64),  # no FP32 beside it
    ]
    table = precision_table(records)
    (row,) = table.to_dict("records")
    assert (row["fp32_engine"], row["engine"], row["precision"]) == ("itex", "itex", "bf16-amp")
    assert row["gain"] == pytest.approx(2.0, rel=0.01)
    assert row["gain_low"] < 2.0 < row["gain_high"]
    assert row["latency_p50_ms"] == pytest.approx(400, rel=0.02)
    assert readable_precisions(table).at[0, "gain"].startswith("2.0")
    csv, markdown = write_precisions(table, tmp_path)
    assert "bf16-amp" in csv.read_text() and "measured" in markdown.read_text()


def test_failed_runs_and_other_work_are_not_compared(ran, make_record, tmp_path):
    failed = make_record(
        [[1.0]], mode=Mode.INFER, precision=Precision.BF16, outcome=Outcome.RANK_LOST, reason="illegal instruction"
    )
    for other in (failed, ran(0.5, Precision.BF16, batch_size=8), ran(0.5, Precision.BF16, mode=Mode.TRAIN)):
        table = precision_table([ran(1.0), other])
        assert table.empty
        assert write_precisions(table, tmp_path) == []
