"""The search, on launches that are made up: what is true of the settings is known."""

import msgspec
import numpy as np
import pytest

from bench import tune_runtime
from bench.campaign.site import load_site
from bench.store.results import Results
from bench.tune_runtime import Search, factors
from deepgalaxy.runtime import Settings
from deepgalaxy.words import Runtime
from tests.conftest import made_in_turn


@pytest.fixture
def machine(monkeypatch, make_record):
    """A machine on which some settings are faster, that changes as time goes on, and counts its launches."""
    rng = np.random.default_rng(0)
    launched = []

    def made(spec, site):
        s = site.runtime
        step = 0.5 if s.onednn else 0.8
        step *= {1: 1.1, 2: 1.0}[s.inter_threads] * (0.8 if s.keep_memory else 1.0)
        step = 0.9 if spec.runtime is Runtime.STOCK else step
        launched.append(s)
        step *= np.exp(0.01 * rng.normal()) * (1 + 0.01 * len(launched))
        return msgspec.structs.replace(make_record([[step] * spec.steps] * spec.workers), spec=spec)

    monkeypatch.setattr(tune_runtime, "run_point", lambda spec, site, launch, folder: made(spec, site))
    monkeypatch.setattr(tune_runtime, "run_in_turn", made_in_turn(lambda way: made(way.spec, way.site)))
    return launched


def search(make_spec, tmp_path, **runtime):
    site = msgspec.structs.replace(load_site("local"), runtime=Settings(**runtime))
    return Search(make_spec(), site, Results(tmp_path), minutes=1e-6)


def test_what_is_faster_beyond_doubt_is_found_and_confirmed(machine, make_spec, tmp_path):
    found = search(make_spec, tmp_path, onednn=False, keep_memory=False).run()
    assert found.settings == Settings(onednn=True, keep_memory=True, inter_threads=2)
    ways = found.ways.set_index("way")
    assert ways.at["winner", "ratio_low"] > 1
    assert ways.at["winner", "ratio"] == pytest.approx(2.0, rel=0.05)
    assert ways.at["stock", "ratio"] < 1
    assert set(found.effects["setting"]) == {f.name for f in factors(1)}


def test_the_fewest_launches_are_done_and_not_done_again(machine, make_spec, tmp_path):
    first = search(make_spec, tmp_path).run()
    count = len(machine)
    assert search(make_spec, tmp_path).run().settings == first.settings
    assert len(machine) == count


def test_where_nothing_is_better_the_site_stays_as_it_is(machine, make_spec, tmp_path):
    best = {"keep_memory": True, "inter_threads": 2}
    found = search(make_spec, tmp_path, **best).run()
    assert found.settings == Settings(**best)
    assert set(found.ways["way"]) == {"site", "stock"}


def test_horovods_settings_are_tried_where_ranks_exchange():
    more = {f.name for f in factors(2)} - {f.name for f in factors(1)}
    assert more == {"cycle_time_ms", "bucket_mb", "lone_kb", "niceness"}
