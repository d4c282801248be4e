"""What the model says of points that do not fit."""

import msgspec
import pytest

from bench.analysis.scaling import CURVE
from bench.projection.inputs import fabric_of
from bench.projection.missing import projected_rows, told
from deepgalaxy.words import Mode, Outcome, Provenance

NETWORK = ("omni-path-100", fabric_of(2e-6, 12.5e9, sockets=False, host=True, gpu=False))


@pytest.fixture
def base(make_record):
    return make_record([[1.0, 1.02, 0.98, 1.01, 0.99] * 4])


def test_a_point_without_room_is_projected_from_its_baseline_and_says_so(base, make_spec):
    (row,) = projected_rows([base], [make_spec(workers=64, workers_per_node=4)], NETWORK, 1)
    assert row["provenance"] == "projected"
    assert row["workers"] == 64
    assert 0.5 < row["efficiency_low"] < row["efficiency"] < row["efficiency_high"] <= 1
    assert row["throughput_images_per_s"] == pytest.approx(row["efficiency"] * 64 * base.spec.batch_size, rel=0.05)
    assert set(CURVE) <= set(row)
    for part in ("projected", "omni-path-100", "4 workers a node", "from 1 measured"):
        assert part in told(row)


def test_more_workers_are_less_efficient(base, make_spec):
    rows = projected_rows([base], [make_spec(workers=n, workers_per_node=4) for n in (8, 1024)], NETWORK, 1)
    assert rows[0]["efficiency"] > rows[1]["efficiency"]


@pytest.mark.parametrize(
    "change",
    [{"resolution": 256}, {"mode": Mode.INFER}, {"workers": 1}, {"batch_size": 1}],
    ids=lambda c: next(iter(c)),
)
def test_of_other_points_it_says_nothing(base, make_spec, change):
    assert projected_rows([base], [make_spec(**({"workers": 64} | change))], NETWORK, 1) == []


def test_failed_oversubscribed_and_emulated_runs_are_no_ground(make_record, make_spec):
    failed = make_record([[1.0]], outcome=Outcome.OOM, reason="out of memory")
    shared = msgspec.structs.replace(make_record([[1.0] * 4]), oversubscribed=True)
    assert projected_rows([failed, shared], [make_spec(workers=64)], NETWORK, 1) == []
    emulated = make_record([[1.0] * 4], provenance=Provenance.EMULATED)
    assert projected_rows([emulated], [msgspec.structs.replace(emulated.spec, workers=64)], NETWORK, 1) == []


def test_a_baseline_of_four_has_their_overhead_in_its_step(make_record, make_spec):
    base = make_record([[1.0, 1.05, 0.95, 1.0]] * 4)
    (row,) = projected_rows([base], [make_spec(workers=128, workers_per_node=4)], NETWORK, 4)
    assert row["baseline_workers"] == 4
    assert row["efficiency"] < 1
