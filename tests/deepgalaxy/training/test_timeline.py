import json

import pytest

from deepgalaxy.training.timeline import read_timeline, seconds_by_kind


def span(name, begin, end, pid=1):
    return [{"ph": "B", "name": name, "ts": begin, "pid": pid}, {"ph": "E", "ts": end, "pid": pid}]


def test_tensors_fused_into_one_message_share_its_time():
    events = span("MPI_ALLREDUCE", 100, 300, pid=1) + span("MPI_ALLREDUCE", 100, 300, pid=2)
    assert seconds_by_kind(events)["allreduce"] == pytest.approx(200e-6)


def test_activities_lie_within_one_another():
    outer = {"ph": "B", "name": "ALLREDUCE", "ts": 0, "pid": 1}
    inner = (
        span("MEMCPY_IN_FUSION_BUFFER", 0, 10)
        + span("GLOO_ALLREDUCE", 10, 60)
        + span("MEMCPY_OUT_FUSION_BUFFER", 60, 75)
    )
    found = seconds_by_kind([outer, *inner, {"ph": "E", "ts": 80, "pid": 1}])
    assert found == pytest.approx({"negotiation": 0, "waiting": 0, "fusion": 25e-6, "allreduce": 50e-6})


def test_overlapping_and_separate_negotiations():
    events = (
        span("NEGOTIATE_ALLREDUCE", 0, 50, 1)
        + span("NEGOTIATE_ALLREDUCE", 20, 60, 2)
        + span("NEGOTIATE_ALLREDUCE", 90, 100, 3)
    )
    assert seconds_by_kind(events)["negotiation"] == pytest.approx(70e-6)


def test_events_that_carry_their_own_duration():
    assert seconds_by_kind([{"ph": "X", "name": "QUEUE", "ts": 5, "dur": 7, "pid": 1}])["waiting"] == pytest.approx(
        7e-6
    )


def test_a_timeline_without_its_end_is_read(tmp_path):
    path = tmp_path / "timeline.json"
    events = span("MPI_ALLREDUCE", 0, 10)
    path.write_text("[\n" + ",\n".join(map(json.dumps, events)) + ",\n")
    assert read_timeline(path) == events
    assert read_timeline(tmp_path / "none.json") == []
