"""Real runs that share the machine by turns."""

import os
import signal
import threading
import time

import msgspec
import psutil
import pytest

from bench.analysis.turns import by_turns
from bench.campaign.site import Launcher, load_site
from bench.launch import turns
from bench.launch.turns import Way, run_in_turn, together
from bench.store.results import Results
from deepgalaxy.words import Outcome, Runtime, Trainer

SITE = msgspec.structs.replace(load_site("local"), name="test")

pytestmark = pytest.mark.horovod


@pytest.fixture
def way(make_spec):
    def make(name, launcher=Launcher.MPIRUN, **fields):
        spec = make_spec(**{"backbone": "Small", "steps": 6, "turn_steps": 2, "batch_size": 2} | fields)
        spec = msgspec.structs.replace(spec, oversubscribe=spec.workers > SITE.slots)
        return Way(name, spec, msgspec.structs.replace(SITE, launcher=launcher))

    return make


def states(folder) -> dict[str, set[str]]:
    """States of the ranks' processes, by the point that they run."""
    found = {}
    for process in psutil.process_iter(["cmdline", "status"]):
        command = process.info["cmdline"] or []
        if "deepgalaxy.worker" in command and "-m" in command[:2] and str(folder) in command[-1]:
            found.setdefault(command[-1], set()).add(process.info["status"])
    return found


def test_who_waits_stands_still_and_all_end_well(tmp_path, way):
    stock = {"runtime": Runtime.STOCK, "trainer": Trainer.KERAS_FIT}
    ways = [way("ours", workers=2), way("fit", Launcher.HOROVODRUN, **stock), way("alone", exchange=False)]
    results, seen, done = Results(tmp_path), [], threading.Event()

    def look():
        while not done.wait(0.02):
            seen.append(states(tmp_path))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        records = run_in_turn(ways, results)
    finally:
        done.set()
        looking.join()
    assert [record.outcome for record in records] == [Outcome.OK] * 3
    assert [by_turns(rank).shape for rank in records] == [(2, 3, 1), (1, 3, 1), (1, 3, 1)]
    assert [len(group) for group in together(results, ways)] == [3]
    assert not together(results, ways[:2])  # those two were not alone with one another
    everyone = [runs for runs in seen if len(runs) == 3]
    assert any(sum(s == {psutil.STATUS_STOPPED} for s in runs.values()) == 2 for runs in everyone)
    assert not states(tmp_path)


def test_a_run_that_fails_leaves_its_turns_to_the_others(tmp_path, way):
    ways = [way("lost", data=str(tmp_path / "missing.hdf5")), way("well")]
    results = Results(tmp_path / "results")
    lost, well = run_in_turn(ways, results)
    assert (lost.outcome, well.outcome) == (Outcome.LAUNCH_FAILED, Outcome.OK)
    assert len(well.ranks[0].step_time_s) == 6
    assert not together(results, ways)


def test_an_interrupt_ends_and_stores_what_has_begun(tmp_path, way):
    ways = [way("first", steps=4000, exchange=False), way("second", steps=4000, exchange=False)]
    results = Results(tmp_path)

    def interrupt():
        while len(states(tmp_path)) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_in_turn(ways, results)
    assert [record.outcome for record in results.records()] == [Outcome.INTERRUPTED] * 2
    assert not states(tmp_path)


@pytest.mark.parametrize("runs", [1, 2, 4])
def test_everyone_has_every_turn_and_every_place_in_it(runs):
    given = list(turns._plan(runs, 400, seed=1))
    assert [turn for _, turn in given] == [turn for turn in range(401) for _ in range(runs)]
    orders = [tuple(who for who, _ in given[i : i + runs]) for i in range(0, len(given), runs)]
    assert all(sorted(order) == list(range(runs)) for order in orders)
    for place in range(runs):
        held = [order[place] for order in orders].count(0) / len(orders)
        assert held == pytest.approx(1 / runs, abs=0.1)


def test_launches_start_in_different_orders():
    starts = {tuple(who for who, turn in turns._plan(3, 0, seed)) for seed in range(50)}
    assert len(starts) == 6
