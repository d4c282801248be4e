import msgspec
import pytest

from bench import overhead
from bench.campaign.site import Launcher, load_site
from bench.launch.turns import TURN_STEPS
from bench.overhead import compare, measure_overhead, ways
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.words import Runtime
from tests.conftest import made_in_turn


@pytest.fixture
def launch(make_record):
    """A launch of two turns whose ranks' steps are the given ones, again and again; the first of a turn is slow."""

    def make(*ranks, **fields):
        times = [([9.0, *steps * 5][:TURN_STEPS]) * 2 for steps in ranks]
        return make_record(times, turn_steps=TURN_STEPS, **fields)

    return make


@pytest.fixture
def stock(launch):
    return [(launch([1.0]), launch([2.0], [2.0], runtime=Runtime.STOCK))]


def test_efficiencies_are_relative_to_one_rank_alone(launch, stock):
    ours = [(launch([1.0]), launch([1.25], [1.25]), launch([1.0], [1.1], exchange=False), launch([1.2], [1.2]))]
    table = compare(ours, stock).set_index("way")
    expected = {"one": 1.0, "ranks": 0.8, "independent": 1 / 1.1, "in-step": 1 / 1.1, "meeting": 1 / 1.2, "stock": 0.5}
    assert table["efficiency"].to_dict() == pytest.approx(expected)
    assert table.at["ranks", "step_time_s"] == pytest.approx(1.25)
    assert set(table["provenance"]) == {"measured"}
    assert (table["efficiency_low"] <= table["efficiency"] + 1e-12).all()


def test_what_waiting_for_one_another_costs_follows_from_processes_that_do_not(launch, stock):
    apart = launch([1.0, 1.5], [1.5, 1.0], exchange=False)
    meeting = launch([1.52], [1.52], exchange=False, meet=True)
    ours = [(launch([1.0]), launch([1.6], [1.6]), apart, meeting)]
    table = compare(ours, stock).set_index("way")
    assert table.at["independent", "step_time_s"] == pytest.approx(1.25)
    assert table.at["in-step", "step_time_s"] == pytest.approx(1.5)
    assert table.at["ranks", "of_bound"] == pytest.approx(1.5 / 1.6)
    assert table.at["meeting", "of_bound"] == pytest.approx(1.5 / 1.52)
    assert table.at["ranks", "of_meeting"] == pytest.approx(1.52 / 1.6)


def test_every_way_is_what_it_says(make_spec):
    base = make_spec(workers=2, steps=2 * TURN_STEPS, turn_steps=TURN_STEPS)
    (one, ranks, independent, meeting), (again, stock) = ways(base, load_site("local"))
    assert one == again
    assert one.spec.workers == 1
    assert ranks.spec == base
    assert not independent.spec.exchange and not independent.spec.meet
    assert not meeting.spec.exchange and meeting.spec.meet
    assert (stock.spec.runtime, stock.site.launcher) == (Runtime.STOCK, Launcher.HOROVODRUN)
    assert len({way.spec.key for way in (one, ranks, independent, meeting, stock)}) == 5


@pytest.fixture
def measure(monkeypatch, tmp_path, launch):
    """measure_overhead on two slots, whose ranks of two take 1.1 times as long; the machine has so many GiB."""

    def made(way):
        step = 1.0 + 0.1 * (way.spec.workers - 1)
        return launch(*[[step]] * way.spec.workers)

    def run(rounds, gib):
        monkeypatch.setattr(overhead, "run_in_turn", made_in_turn(made))
        monkeypatch.setattr(overhead, "provide", lambda data, specs: None)
        few = {"cores_per_node": 2, "workers_per_node": 2, "cores_per_worker": 1, "memory_per_node_bytes": gib * 2**30}
        fields = {"backbone": "ResNet50", "resolution": 64, "batch_size": 1, "steps": 2 * TURN_STEPS}
        site = msgspec.structs.replace(load_site("local"), **few)
        return measure_overhead(site, Results(tmp_path), rounds=rounds, **fields).set_index("way")

    return run


def test_launches_add_up_over_calls(measure):
    for rounds in (1, 3, 0):
        table = measure(rounds, gib=64)
    assert set(table["launches"]) == {4}
    assert table.at["ranks", "efficiency"] == pytest.approx(1 / 1.1)


def test_the_meeting_ones_wait_for_a_machine_with_the_memory(measure, capsys):
    table = measure(2, gib=4)
    assert "'meeting' is left out: 7 processes at once need" in capsys.readouterr().err
    assert list(table.index) == ["one", "ranks", "independent", "in-step", "stock"]
    assert table.at["ranks", "of_bound"] == pytest.approx(1.0)
    assert table["of_meeting"].isna().all()
    table = measure(1, gib=64)
    assert table["launches"].to_dict() == {n: 1 if n == "meeting" else 3 for n in table.index}
    assert table.at["ranks", "of_meeting"] == pytest.approx(1.0)


def test_a_way_that_never_ended_well_is_named(stock):
    with pytest.raises(InputError, match="no launch of 'ranks' beside one rank ended well"):
        compare([], stock)


def test_one_slot_has_nothing_to_compare(tmp_path):
    site = msgspec.structs.replace(load_site("local"), workers_per_node=1)
    with pytest.raises(InputError, match="has 1 slot; two or more are needed"):
        measure_overhead(site, Results(tmp_path), backbone="ResNet50", resolution=64, batch_size=1, steps=6, rounds=1)
