import re

import msgspec
import pytest

from bench.campaign.plan import Experience, job_minutes, needs_no_less, plan
from bench.campaign.site import Site
from bench.store.memory import load_of, model_of
from bench.store.summary import summarised
from deepgalaxy.words import Compute, Outcome, Provenance

SITE = Site(
    name="box", nodes=4, cores_per_node=8, workers_per_node=4, cores_per_worker=2, memory_per_node_bytes=16 * 2**30
)


@pytest.fixture
def launch(make_record):
    """The summary of a launch on `SITE`."""

    def make(wall_s=60.0, peak_rss_bytes=2**30, outcome=Outcome.OK, **fields):
        reason = "" if outcome is Outcome.OK else "out of memory"
        record = make_record([[1.0] * 3] * fields.get("workers", 1), outcome=outcome, reason=reason, **fields)
        ranks = [msgspec.structs.replace(rank, peak_rss_bytes=peak_rss_bytes) for rank in record.ranks]
        record = msgspec.structs.replace(record, site="box", wall_s=wall_s, ranks=ranks)
        return summarised(record, "x")

    return make


def test_a_plan_counts_what_is_left_and_what_it_costs(make_spec, launch):
    done, near, new = make_spec(workers=1), make_spec(workers=8, workers_per_node=4), make_spec(backbone="ResNet50")
    planned = plan([done, near, new], SITE, Experience([launch(wall_s=90)], SITE), repeats=2)
    assert [p.launches for p in planned] == [1, 2, 2]
    assert [p.minutes for p in planned] == [1.5, 1.5, SITE.minutes_per_point]
    assert [p.basis for p in planned] == ["measured", "its curve", "the site's minutes_per_point"]
    assert [p.nodes for p in planned] == [1, 2, 1]
    assert planned[1].node_hours == pytest.approx(2 * 2 * 1.5 / 60)
    assert job_minutes(planned) > sum(p.minutes * p.launches for p in planned)


def test_what_does_not_fit_costs_nothing(make_spec):
    (planned,) = plan([make_spec(workers=64, workers_per_node=4, cores_per_worker=2)], SITE, Experience([], SITE))
    assert "64 workers need 16 nodes" in planned.why_not
    assert planned.node_hours == 0


def test_launches_of_another_site_teach_nothing(make_spec, launch):
    other = msgspec.structs.replace(launch(wall_s=90), site="elsewhere")
    (planned,) = plan([make_spec()], SITE, Experience([other], SITE))
    assert planned.launches == 1 and planned.minutes == SITE.minutes_per_point


def test_after_an_oom_what_needs_no_less_is_not_tried(make_spec, launch):
    experience = Experience([launch(outcome=Outcome.OOM, resolution=64, batch_size=4)], SITE)
    larger = make_spec(resolution=128, batch_size=8)
    assert experience.why_not(larger).startswith("train-EfficientNetB0-64px-b4-fp32-tensorflow-w1 ran out of memory")
    assert "ran out of memory before" in experience.why_not(make_spec(resolution=64))
    for other in ({"resolution": 32}, {"resolution": 64, "batch_size": 2}, {"resolution": 64, "backbone": "ResNet50"}):
        assert experience.why_not(make_spec(**other)) == ""
    (planned,) = plan([larger], SITE, experience, force=True)
    assert planned.why_not == ""


def test_measured_memory_says_what_a_node_holds(make_spec, launch):
    experience = Experience([launch(peak_rss_bytes=5 * 2**30)], SITE)
    assert experience.why_not(make_spec(workers=3, workers_per_node=3)) == ""
    told = experience.why_not(make_spec(workers=4, workers_per_node=4))
    assert told == "4 workers a node need 20 GiB as measured; a node has 16 GiB"


def test_more_of_anything_needs_no_less(make_spec):
    base = make_spec(resolution=64, batch_size=4)
    assert needs_no_less(base, base)
    assert needs_no_less(make_spec(resolution=96, batch_size=4, workers=2, workers_per_node=2), base)
    assert not needs_no_less(base, make_spec(resolution=96, batch_size=2))


def test_what_was_never_measured_is_predicted(make_spec, launch):
    large = make_spec(backbone="EfficientNetB4", resolution=1024, batch_size=8, workers=4, workers_per_node=4)
    (planned,) = plan([large], SITE, Experience([], SITE))
    told = re.fullmatch(
        r"(\S+) \[(\S+), (\S+)\] GiB a worker are predicted, 4 on a node; it has 16 GiB \(--force .*\)",
        planned.why_not,
    )
    peak, low, high = map(float, told.groups())
    assert 4 < low < peak < high
    small = make_spec(resolution=64)
    assert Experience([], SITE).why_not(small) == ""
    assert plan([large], SITE, Experience([], SITE), force=True)[0].why_not == ""


def test_only_what_surely_does_not_fit_is_refused(make_spec):
    spec = make_spec(backbone="EfficientNetB4", resolution=1024, batch_size=8)
    needed = load_needed(spec)
    for factor, refused, doubted in ((0.5, True, False), (1.0, False, True), (2.0, False, False)):
        site = msgspec.structs.replace(SITE, memory_per_node_bytes=int(factor * needed))
        (planned,) = plan([spec], site, Experience([], site))
        assert (bool(planned.why_not), bool(planned.doubt)) == (refused, doubted)


def load_needed(spec) -> float:
    return model_of([]).predict(load_of(spec)).peak_rss_bytes


def test_a_measured_peak_wins_over_a_predicted_one(make_spec, launch):
    fields = {"backbone": "EfficientNetB4", "resolution": 1024, "batch_size": 8}
    assert "are predicted" in Experience([], SITE).why_not(make_spec(**fields))
    experience = Experience([launch(peak_rss_bytes=9 * 2**30, **fields)], SITE)
    assert experience.why_not(make_spec(**fields)) == ""
    assert "as measured" in experience.why_not(make_spec(**fields, workers=2, workers_per_node=2))


def test_what_ranks_need_that_wait_says_nothing_of_those_that_compute(make_spec, launch):
    emulated = {"compute": Compute.EMULATED, "profile": "profile.json"}
    oom = Experience([launch(outcome=Outcome.OOM, provenance=Provenance.EMULATED)], SITE)
    assert not oom.why_not(make_spec())
    assert oom.why_not(make_spec(**emulated))
