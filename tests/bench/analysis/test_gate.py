import msgspec
import numpy as np
import pytest

from bench.analysis.gate import MACHINE, SPEED, SPEED_BY_YARDSTICK, Verdict, compare, decide, interval, points
from bench.commands.common import EFFECT
from deepgalaxy.errors import InputError
from deepgalaxy.words import Outcome, Provenance


@pytest.fixture
def launches(make_record):
    """Points of launches that took so long a step each."""

    def make(seconds, **fields):
        return points(make_record([[s] * 8], **fields) for s in seconds)

    return make


def verdicts(current, reference, metric="throughput_images_per_s"):
    return [c.verdict for c in compare(current, reference, EFFECT) if c.metric == metric]


def test_slower_by_much_is_regressed_and_faster_improved(launches):
    fast, slow = launches([1.0, 1.01, 0.99]), launches([1.2, 1.21, 1.19])
    assert verdicts(slow, fast) == [Verdict.REGRESSED]
    assert verdicts(fast, slow) == [Verdict.IMPROVED]
    assert verdicts(fast, launches([1.0, 1.02, 0.98])) == [Verdict.PASS]


@pytest.fixture
def measured_beside_a_yardstick(make_record):
    """Points of launches whose steps and yardsticks took so long."""

    def make(seconds, yardsticks):
        records = [make_record([[s] * 8]) for s in seconds]
        return points(
            msgspec.structs.replace(
                record, ranks=[msgspec.structs.replace(r, yardstick_time_s=[y] * 8) for r in record.ranks]
            )
            for record, y in zip(records, yardsticks, strict=True)
        )

    return make


def test_a_yardstick_tells_a_slow_machine_from_slow_code(measured_beside_a_yardstick):
    quiet = measured_beside_a_yardstick([1.0, 1.01, 0.99], [0.1, 0.101, 0.099])
    disturbed = measured_beside_a_yardstick([1.5, 1.3, 1.4], [0.15, 0.131, 0.139])
    slow = measured_beside_a_yardstick([1.2, 1.21, 1.19], [0.1, 0.101, 0.099])
    assert verdicts(disturbed, quiet, SPEED_BY_YARDSTICK) == [Verdict.PASS]
    assert verdicts(disturbed, quiet, MACHINE) == [Verdict.REGRESSED]
    assert verdicts(slow, quiet, SPEED_BY_YARDSTICK) == [Verdict.REGRESSED]
    assert verdicts(slow, quiet, MACHINE) == [Verdict.PASS]
    assert verdicts(slow, quiet, SPEED) == []  # judged once


def test_without_a_yardstick_on_both_sides_the_clock_judges(launches, measured_beside_a_yardstick):
    fast, slow = launches([1.0, 1.01, 0.99]), measured_beside_a_yardstick([1.2, 1.21, 1.19], [0.1, 0.101, 0.099])
    assert verdicts(slow, fast, SPEED) == [Verdict.REGRESSED]
    assert verdicts(slow, fast, MACHINE) == verdicts(slow, fast, SPEED_BY_YARDSTICK) == []


def test_launches_with_and_without_a_yardstick_are_judged_by_the_clock(make_record):
    with_one = make_record([[1.0] * 8])
    ranks = [msgspec.structs.replace(rank, yardstick_time_s=[0.1] * 8) for rank in with_one.ranks]
    found = points([make_record([[1.0] * 8]), msgspec.structs.replace(with_one, ranks=ranks)])
    assert set(found[0].values) == {SPEED, "peak_rss_bytes"}


def test_one_launch_decides_nothing(launches):
    assert verdicts(launches([2.0]), launches([1.0, 1.0, 1.0])) == [Verdict.INCONCLUSIVE]


def test_noise_decides_nothing(launches):
    assert verdicts(launches([0.8, 1.0, 1.3]), launches([0.8, 1.2, 1.0])) == [Verdict.INCONCLUSIVE]


def test_a_point_on_one_side_alone_has_no_data(launches):
    both = [*launches([1.0, 1.0]), *launches([1.0, 1.0], batch_size=8)]
    assert verdicts(both[:1], both) == [Verdict.PASS, Verdict.NO_DATA]
    assert verdicts(both, both[:1]) == [Verdict.PASS, Verdict.NO_DATA]


def test_more_memory_is_worse(launches):
    lean, fat = launches([1.0, 1.0]), launches([1.0, 1.0])
    fat = [msgspec.structs.replace(p, values=p.values | {"peak_rss_bytes": [2e9, 2e9]}) for p in fat]
    lean = [msgspec.structs.replace(p, values=p.values | {"peak_rss_bytes": [1e9, 1e9]}) for p in lean]
    assert verdicts(fat, lean, "peak_rss_bytes") == [Verdict.REGRESSED]
    assert verdicts(lean, fat, "peak_rss_bytes") == [Verdict.IMPROVED]
    assert verdicts(lean, lean, "peak_rss_bytes") == [Verdict.PASS]


def test_failed_and_oversubscribed_launches_are_left_out(make_record):
    bad = make_record([[1.0]], outcome=Outcome.OOM, reason="why")
    shared = msgspec.structs.replace(make_record([[1.0]]), oversubscribed=True)
    assert points([bad, shared]) == []


@pytest.mark.parametrize("provenance", [p for p in Provenance if p is not Provenance.MEASURED])
def test_what_was_not_measured_passes_no_gate(make_record, provenance):
    with pytest.raises(InputError, match=f"is {provenance.value}, and only measured points can be gated"):
        points([make_record([[1.0]], provenance=provenance)])


@pytest.mark.parametrize(
    ("ratio", "low", "high", "expected"),
    [
        (0.90, 0.85, 0.95, Verdict.REGRESSED),
        (0.97, 0.955, 0.985, Verdict.INCONCLUSIVE),  # surely slower, and by less than matters
        (0.97, 0.93, 1.01, Verdict.INCONCLUSIVE),
        (0.90, 0.80, 1.01, Verdict.INCONCLUSIVE),
        (1.00, 0.98, 1.02, Verdict.PASS),
        (1.10, 1.05, 1.15, Verdict.IMPROVED),
        (1.03, 1.01, 1.05, Verdict.PASS),
    ],
)
def test_a_verdict_needs_interval_and_effect(ratio, low, high, expected):
    assert decide(ratio, low, high, +1, 0.05) is expected
    mirrored = {Verdict.REGRESSED: Verdict.REGRESSED, Verdict.IMPROVED: Verdict.IMPROVED}.get(expected)
    if mirrored:
        assert decide(1 / ratio, 1 / high, 1 / low, -1, 0.05) is mirrored


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    trials = 2000
    for _ in range(trials):
        true = np.exp(rng.normal(0, 0.1))
        mine = true * np.exp(rng.normal(0, 0.05, 4))
        theirs = np.exp(rng.normal(0, 0.03, 3))
        _, low, high = interval(mine, theirs)
        held += low <= true <= high
    assert 0.93 <= held / trials <= 0.97


def test_false_alarms_are_rare_and_a_tenth_is_found():
    rng = np.random.default_rng(1)
    alarms = found = 0
    for _ in range(500):
        base, same, slow = (m * np.exp(rng.normal(0, 0.02, 5)) for m in (1.0, 1.0, 0.9))
        alarms += decide(*interval(same, base), +1, 0.05) is Verdict.REGRESSED
        found += decide(*interval(slow, base), +1, 0.05) is Verdict.REGRESSED
    assert alarms <= 5
    assert found >= 450
