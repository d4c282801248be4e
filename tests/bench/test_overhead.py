import msgspec
import pytest

from bench.campaign.site import Launcher, load_site
from bench.overhead import WAYS, _ways, compare, measure_overhead
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.words import Runtime


def test_efficiencies_are_relative_to_one_rank_alone(make_record):
    records = {
        "one": [make_record([[1.0] * 8])],
        "ranks": [make_record([[1.25] * 8] * 2)],
        "stock": [make_record([[2.0] * 8] * 2, runtime=Runtime.STOCK)],
        "independent": [make_record([[1.0] * 8, [1.1] * 8], exchange=False)],
    }
    table = compare(records).set_index("way")
    assert list(table["efficiency"]) == pytest.approx([1.0, 0.8, 0.5, 1 / 1.1, 1 / 1.1])
    assert table.at["ranks", "step_time_s"] == pytest.approx(1.25)
    assert set(table["provenance"]) == {"measured"}
    assert (table["efficiency_low"] <= table["efficiency"] + 1e-12).all()


def test_what_waiting_for_one_another_costs_follows_from_processes_that_do_not(make_record):
    records = {
        "one": [make_record([[1.0] * 8])],
        "ranks": [make_record([[1.6] * 8] * 2)],
        "stock": [make_record([[2.0] * 8] * 2, runtime=Runtime.STOCK)],
        "independent": [make_record([[1.0, 1.5] * 4, [1.5, 1.0] * 4], exchange=False)],
    }
    table = compare(records).set_index("way")
    assert table.at["independent", "step_time_s"] == pytest.approx(1.25)
    assert table.at["in-step", "step_time_s"] == pytest.approx(1.5)
    assert table.at["ranks", "of_bound"] == pytest.approx(1.5 / 1.6)


def test_every_way_is_what_it_says(make_spec):
    base = make_spec(workers=2)
    ways = {way: (spec, launcher) for way, spec, launcher in _ways(base, load_site("local"))}
    assert tuple(ways) == WAYS
    assert ways["one"][0].workers == 1
    assert ways["ranks"][0] == base
    assert (ways["stock"][0].runtime, ways["stock"][1]) == (Runtime.STOCK, Launcher.HOROVODRUN)
    assert not ways["independent"][0].exchange
    assert len({spec.key for spec, _ in ways.values()}) == 4


def test_a_way_that_never_ended_well_is_named(make_record):
    with pytest.raises(InputError, match="no launch of 'ranks' ended well"):
        compare({"one": [make_record([[1.0] * 8])], "ranks": []})


def test_one_slot_has_nothing_to_compare(tmp_path):
    site = msgspec.structs.replace(load_site("local"), workers_per_node=1)
    with pytest.raises(InputError, match="has 1 slot; two or more are needed"):
        measure_overhead(site, Results(tmp_path), backbone="ResNet50", resolution=64, batch_size=1, steps=1, rounds=1)
