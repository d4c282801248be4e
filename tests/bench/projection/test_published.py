"""Predictions of what others published, and of what they might publish."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.commands.project import PUBLISHED
from bench.projection.constants import Constants, drawn
from bench.projection.published import predict

RECORDS = json.loads(PUBLISHED.read_text())["records"]
KNOWN = Constants()


def test_errors_on_the_shipped_records_are_small():
    rows = [row for record in RECORDS for row in predict(record, KNOWN)]
    errors = np.abs([float(row["predicted_efficiency"]) - row["published_efficiency"] for row in rows])
    assert len(rows) > 50
    assert np.median(errors) <= 0.05
    assert np.quantile(errors, 0.9) <= 0.12


def test_nothing_but_the_baseline_is_taken_from_a_records_results():
    record = RECORDS[0]
    changed = json.loads(json.dumps(record))
    for point in changed["points"][1:]:
        point |= {"throughput": 1.0, "efficiency": 0.123, "step_seconds": 99.0, "excess_over_baseline_s": 98.0}
    first, second = predict(record, KNOWN), predict(changed, KNOWN)
    assert [row["predicted_efficiency"] for row in first] == [row["predicted_efficiency"] for row in second]


values = st.none() | st.floats(allow_nan=True) | st.integers(-5, 10**12) | st.text(max_size=30) | st.booleans()
FIELDS = sorted({name for record in RECORDS for name in record})


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(RECORDS), st.dictionaries(st.sampled_from(FIELDS), values), st.sets(st.sampled_from(FIELDS)))
def test_whatever_a_record_lacks_or_holds_there_is_a_prediction(record, changes, without):
    points = [{"workers": 1, "efficiency": 1.0}, {"workers": 64, "nodes": None, "efficiency": 0.9}]
    kept = {name: value for name, value in (record | changes).items() if name not in without}
    kept |= {"points": points, "baseline_workers": 1}
    (row,) = predict(kept, KNOWN)
    assert 0 < float(row["predicted_efficiency"]) <= 1.0 + 1e-9


@pytest.mark.parametrize(
    ("without", "told"),
    [
        ({"baseline_step_seconds", "baseline_per_worker_throughput"}, "step of one worker assumed: 0.4 s"),
        ({"gradient_bytes", "parameter_count"}, "parameters assumed to be those of inceptionv3"),
        ({"node_bandwidth_Gbps"}, "rate of a node assumed: 10 Gbit/s"),
        ({"latency_us"}, "latency assumed: 30 us"),
        ({"model"}, "gradients assumed to become ready as ResNet's"),
    ],
)
def test_what_is_assumed_is_told(without, told):
    (row,) = predict({name: value for name, value in RECORDS[0].items() if name not in without}, KNOWN)
    assert any(told in note for note in row["notes"])


def test_a_baseline_of_several_workers_has_their_overhead_in_its_step_already():
    paper = next(record for record in RECORDS if "deepgalaxy" in record["id"])
    first, second = predict(paper, KNOWN)
    assert (first["baseline_workers"], first["workers"], second["workers"]) == (4, 128, 512)
    assert 0.8 < float(second["predicted_efficiency"]) < float(first["predicted_efficiency"]) < 1


def test_constants_can_be_draws():
    draws = drawn(KNOWN, np.random.default_rng(0), 50)
    (row,) = predict(RECORDS[0], draws)
    assert row["predicted_efficiency"].shape == (50,)
    assert np.std(row["predicted_efficiency"]) > 0.005
