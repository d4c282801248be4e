import msgspec
import pytest

from bench import compare_sites
from bench.campaign.data import DataRequest
from bench.campaign.site import load_site
from bench.compare_sites import compare, measure_sites, ways
from bench.launch.turns import TURN_STEPS
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.runtime import Settings
from deepgalaxy.words import Outcome
from tests.conftest import made_in_turn

POINT = {"backbone": "EfficientNetB0", "resolution": 64, "batch_size": 8}


@pytest.fixture
def sites():
    local = msgspec.structs.replace(load_site("local"), cores_per_node=2, workers_per_node=2, cores_per_worker=1)
    return [local, msgspec.structs.replace(local, name="calm", runtime=Settings(cycle_time_ms=9))]


def test_the_same_point_is_trained_on_every_site_with_its_own_settings(sites):
    found = ways(sites, DataRequest(), 2 * TURN_STEPS, **POINT)
    assert [way.name for way in found] == ["local", "calm"]
    assert len({way.spec.key for way in found}) == 1
    assert (found[0].spec.workers, found[0].spec.turn_steps) == (2, TURN_STEPS)
    assert [way.site.runtime.cycle_time_ms for way in found] == [Settings().cycle_time_ms, 9]


def test_sites_that_could_not_be_told_apart_or_take_turns_are_refused(sites):
    point = (DataRequest(), TURN_STEPS)
    with pytest.raises(InputError, match="sites local: two or more of different names are needed"):
        ways(sites[:1], *point, **POINT)
    with pytest.raises(InputError, match="sites local, calm, local: two or more of different names"):
        ways([*sites, sites[0]], *point, **POINT)
    with pytest.raises(InputError, match="site far has 2 nodes; only ranks on this machine"):
        ways([sites[0], msgspec.structs.replace(sites[1], name="far", nodes=2)], *point, **POINT)
    with pytest.raises(InputError, match="site local: 3 workers need"):
        ways(sites, *point, **POINT, workers=3)


def test_each_is_held_to_the_first_and_only_what_is_missing_is_launched(sites, make_record, monkeypatch, tmp_path):
    launched = []

    def made(way):
        launched.append(way.name)
        if len(launched) == 2:  # of the first round one fails: it does not count
            return make_record([[1.0] * 6] * 2, outcome=Outcome.OOM, reason="out of memory")
        step_s = 1.0 if way.name == "local" else 0.8
        return make_record([[9.0, step_s, step_s] * 2] * 2, turn_steps=TURN_STEPS)

    monkeypatch.setattr(compare_sites, "run_in_turn", made_in_turn(made))
    monkeypatch.setattr(compare_sites, "provide", lambda data, specs: None)
    planned, results = ways(sites, DataRequest(), 2 * TURN_STEPS, **POINT), Results(tmp_path)
    measure_sites(planned, DataRequest(), results, launches=3)
    assert len(launched) == 6
    table = measure_sites(planned, DataRequest(), results, launches=3).set_index("site")
    assert len(launched) == 8
    assert list(table["launches"]) == [3, 3]
    assert table.at["calm", "ratio"] == pytest.approx(1.25)
    assert (table.at["calm", "ratio_low"], table.at["local", "ratio"]) == pytest.approx((1.25, 1.0))
    assert table.at["local", "throughput_images_per_s"] == pytest.approx(16.0)
    assert set(table["provenance"]) == {"measured"}


def test_where_none_ended_well_the_sites_are_named():
    with pytest.raises(InputError, match="no launches of local, calm together ended well"):
        compare(["local", "calm"], [])
