import msgspec
import pytest

from bench.projection.memory import Load, Peak
from bench.store import memory
from bench.store.memory import SHIPPED, MeasuredPeaks, collected, load_of, model_of, peaks, read, write
from bench.store.results import Results
from bench.store.summary import summarised
from deepgalaxy.errors import InputError
from deepgalaxy.words import Compute, Device, Mode, Outcome, Provenance

GIB = 2**30


@pytest.fixture
def record(make_record):
    def make(peak_rss_bytes=GIB, outcome=Outcome.OK, **fields):
        reason = "" if outcome is Outcome.OK else "it broke"
        made = make_record([[1.0] * 3] * fields.get("workers", 1), outcome=outcome, reason=reason, **fields)
        ranks = [msgspec.structs.replace(rank, peak_rss_bytes=peak_rss_bytes) for rank in made.ranks]
        return msgspec.structs.replace(made, ranks=ranks, machine={"cpu": "Xeon", "cores": 2, "tensorflow": "2.15.1"})

    return make


def test_the_highest_peak_of_a_point_counts(record):
    found = peaks(summarised(record(peak_rss_bytes=p), "x") for p in (GIB, 3 * GIB, 2 * GIB))
    assert [p.peak_rss_bytes for p in found] == [3 * GIB]


def test_only_measured_points_that_ended_well_count(record, make_spec):
    failed = record(outcome=Outcome.OOM)
    emulated = record(compute=Compute.EMULATED, profile="p.json", provenance=Provenance.EMULATED)
    assert peaks(summarised(r, "x") for r in (failed, emulated)) == []
    assert load_of(make_spec(mode=Mode.LOAD, backbone="none")) is None
    assert load_of(make_spec(device=Device.GPU)) is None


def test_ranks_that_exchange_nothing_are_as_one(make_spec):
    assert load_of(make_spec(workers=8)) == load_of(make_spec(workers=2)) != load_of(make_spec(workers=1))
    assert load_of(make_spec(workers=8, exchange=False)) == load_of(make_spec(workers=1))


def test_peaks_are_read_as_they_were_written(tmp_path, record):
    results = Results(tmp_path / "results")
    for fields in ({"batch_size": 2}, {"batch_size": 4, "peak_rss_bytes": 2 * GIB}, {"outcome": Outcome.OOM}):
        made = record(**fields)
        results.write(made, results.new_launch(made.spec)[1])
    found = collected([results.folder])
    assert {(p.load.batch_size, p.peak_rss_bytes) for p in found.points} == {(2, GIB), (4, 2 * GIB)}
    assert found.machine == {"cpu": "Xeon", "cores": "2", "software": "tensorflow 2.15.1"}
    write(tmp_path / "peaks.json", found)
    assert read(tmp_path / "peaks.json") == found


def test_folders_without_peaks_are_named(tmp_path):
    with pytest.raises(InputError, match="nothing is no folder of results"):
        collected([tmp_path / "nothing"])
    with pytest.raises(InputError, match="no measured peak in"):
        collected([Results(tmp_path / "empty").folder])


def test_damaged_peaks_are_refused(tmp_path):
    (tmp_path / "peaks.json").write_text('{"machine": 3}')
    with pytest.raises(InputError, match="peaks.json"):
        read(tmp_path / "peaks.json")


def test_own_peaks_win_over_those_that_ship():
    shipped = read(SHIPPED)
    assert isinstance(shipped, MeasuredPeaks) and shipped.provenance is Provenance.MEASURED
    load = Load(mode=Mode.TRAIN, backbone="EfficientNetB4", resolution=512, batch_size=8)
    before = model_of([]).predict(load).peak_rss_bytes
    own = [
        Peak(msgspec.structs.replace(p.load), 1.5 * p.peak_rss_bytes)
        for p in shipped.points
        if p.load.backbone == "EfficientNetB4"
    ]
    assert model_of(own).predict(load).peak_rss_bytes > 1.3 * before


def test_a_measured_backbone_of_unknown_costs_stops_no_model(record, monkeypatch):
    own = peaks(summarised(record(backbone=name, resolution=128), "x") for name in ("EfficientNetB0", "VGG16"))
    costs = {name: cost for name, cost in memory.memory_costs().items() if name != "VGG16"}
    monkeypatch.setattr(memory, "memory_costs", lambda: costs)
    model = model_of(own)
    assert model.knows(own[0].load)
    assert not model.knows(own[1].load)
