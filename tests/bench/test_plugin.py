"""`pytest bench/` for real: measured step times in pytest-benchmark's table and JSON."""

import json

import pytest

from bench import peers
from bench.campaign.data import DataRequest
from bench.campaign.site import load_site
from bench.plugin import Benchmarks, ReplayClock
from bench.store import baselines
from bench.store.results import Results
from deepgalaxy.words import Trainer
from tests.bench.test_cli import pytest_bench
from tests.conftest import made_in_turn


def test_the_clock_gives_back_the_durations_it_was_given():
    clock = ReplayClock()
    clock.load([0.5, 0.25])
    first = -clock() + clock()
    second = -clock() + clock()
    assert (first, second) == pytest.approx((0.5, 0.25))


@pytest.mark.parametrize(
    ("seconds", "batch_size", "outcome", "told"),
    [
        ([1.0, 1.001, 0.999], 4, None, ""),
        ([1.2, 1.201, 1.199], 4, pytest.fail.Exception, "regressed, 0.833"),
        ([1.0, 1.001, 0.999], 2, pytest.fail.Exception, "no data, 3 launches here and 0 there"),
        ([1.0], 4, pytest.skip.Exception, "inconclusive"),
    ],
)
def test_a_point_is_held_against_the_baseline_that_was_named(make_record, seconds, batch_size, outcome, told):
    then = [make_record([[s] * 5], launch=i) for i, s in enumerate([1.0, 1.002, 0.998])]
    reference = baselines.from_records("test", "main", then, [])
    now = [make_record([[s] * 5], launch=i, batch_size=batch_size) for i, s in enumerate(seconds)]
    spec = now[0].spec
    ours = Benchmarks(load_site("local"), [spec], 1, None, DataRequest(), frozenset({1}), [], reference=reference)
    ours._measured = now
    if outcome is None:
        ours.judge(spec)
    else:
        with pytest.raises(outcome, match=told):
            ours.judge(spec)


def test_a_point_without_room_is_skipped_with_what_the_model_says(make_record, make_spec):
    base = make_record([[1.0, 1.01, 0.99, 1.0] * 3], cores_per_worker=1)
    large = make_spec(workers=4096, workers_per_node=4, cores_per_worker=1)
    ours = Benchmarks(load_site("local"), [large], 1, None, DataRequest(), frozenset({4096}), [])
    with pytest.raises(pytest.skip.Exception, match=r"4096 workers need \d+ nodes.*slots?.*\)$"):
        ours.run(large)
    ours._measured = [base]
    with pytest.raises(
        pytest.skip.Exception, match=r"4096 workers need .*; projected: efficiency 0\.\d+ \[.*omni-path-100"
    ):
        ours.run(large)


@pytest.mark.horovod
def test_step_times_of_the_ranks_and_what_follows_from_them_reach_the_json(tmp_path, data_file):
    counts = [1, 2] if load_site("local").slots >= 2 else [1]
    options = ["--resolution", "32", "--batch-size", "4", "--steps", "4", "--mode", "train", "--data", str(data_file)]
    options += ["--backbone", "Small"]
    results = tmp_path / "results"
    report = tmp_path / "report.json"
    done = pytest_bench(
        *("--workers", str(counts[-1]), *options, "--results", str(results), "--benchmark-json", str(report)),
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = {b["extra_info"]["workers"]: b for b in json.loads(report.read_text())["benchmarks"]}
    assert sorted(shown) == counts  # the baseline was measured too
    last = shown[counts[-1]]
    info = last["extra_info"]
    assert info["provenance"] == "measured"
    assert info["baseline_workers"] == 1
    assert info["efficiency_low"] <= info["efficiency"] <= info["efficiency_high"]
    assert info["peak_rss_bytes"] > 2**28
    # The table's rounds are the slowest rank of each step: together no faster than the slowest rank.
    by_step = 4 * counts[-1] / last["stats"]["mean"]
    assert by_step * (1 - 1e-9) <= info["throughput_images_per_s"] < 1.2 * by_step
    stored = next((results / "runs").glob(f"*-w{counts[-1]}-*/launch-001/record.json"))
    steps = [rank["step_time_s"] for rank in json.loads(stored.read_text())["ranks"]]
    slowest = [max(ranks) for ranks in zip(*steps, strict=True)]
    shown_steps = last["stats"]["data"]
    assert shown_steps == pytest.approx(slowest[-len(shown_steps) :])
    # A second time, the baseline that was not asked for is taken from the results.
    if len(counts) == 2:
        again = pytest_bench("--workers", "2", *options, "--results", str(results), timeout=300)
        assert again.returncode == 0
        assert len(list((results / "runs").glob("*-w1-*/launch-*"))) == 1
        assert len(list((results / "runs").glob("*-w2-*/launch-*"))) == 2


def test_other_ways_of_a_point_are_measured_once_and_their_ratios_shown(make_record, monkeypatch, tmp_path):
    def made(way):
        launched.append(way.spec)
        step = 1.0 if way.spec.trainer is Trainer.SUITE else 1.5
        return make_record([[step] * way.spec.steps] * way.spec.workers)

    launched = []
    monkeypatch.setattr(peers, "run_in_turn", made_in_turn(made))
    monkeypatch.setattr(peers, "provide", lambda data, specs: None)
    site = load_site("local")
    case = peers.Case("EfficientNetB0", 64, 8, 1, 1)
    (way, *_) = peers.ways(case, site, DataRequest(), steps=5)  # and one more, to whole turns
    ours = Benchmarks(site, [way.spec], 1, Results(tmp_path), DataRequest(), frozenset({1}), [], launches=2)
    found = ours.run_peers(way.spec)
    assert ours.run_peers(way.spec) is found
    assert len(launched) == 2 * 2 * len(peers.PEERS)  # ours is launched with each of the others
    steps, info = found["keras-fit"]
    assert steps == [1.5] * 8  # without the first of each turn
    assert info["ratio"] == pytest.approx(1.5)
