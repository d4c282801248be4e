import msgspec
import pytest

from bench import peers
from bench.campaign.data import DataRequest
from bench.campaign.site import Launcher, load_site
from bench.peers import OURS, WAYS, Case, case_of, compare, measure_peers, steps_of, ways
from bench.report.peers import readable
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.words import Outcome, Runtime, Trainer


@pytest.fixture
def site():
    return msgspec.structs.replace(load_site("local"), cores_per_node=2, workers_per_node=2, cores_per_worker=1)


def test_every_way_trains_the_same_case_and_only_ours_has_settings(site):
    case = Case.parse("EfficientNetB0:64:8:1:2")
    found = {way.name: way for way in ways(case, site, DataRequest(), steps=3)}
    assert tuple(found) == WAYS
    assert {case_of(way.spec) for way in found.values()} == {case}
    assert (found[OURS].spec.runtime, found[OURS].site.launcher) == (Runtime.TUNED, site.launcher)
    for name in WAYS[1:]:
        assert (found[name].spec.runtime, found[name].site.launcher) == (Runtime.STOCK, Launcher.HOROVODRUN)
        assert found[name].spec.trainer.value == name
        assert found[name].spec.curve_name.endswith(f"-stock-{name}")
    assert len({way.spec.key for way in found.values()}) == 3


@pytest.mark.parametrize("text", ["EfficientNetB0", "EfficientNetB0:64:8:1", "EfficientNetB0:64:8:one:2"])
def test_a_case_of_another_form_is_refused(text):
    with pytest.raises(InputError, match=f"--cases {text}: each is BACKBONE:RESOLUTION"):
        Case.parse(text)


def test_a_case_that_does_not_fit_is_told(site):
    with pytest.raises(InputError, match=r"case EfficientNetB0:64:8:2:2: 2 workers need"):
        ways(Case("EfficientNetB0", 64, 8, 2, 2), site, DataRequest(), steps=3)


def stock(make_record, step_s, trainer, **more):
    return make_record([[step_s] * 8], runtime=Runtime.STOCK, trainer=trainer, **more)


def test_the_ratio_is_of_rounds_that_both_have(make_record):
    tape, fit = Trainer.HOROVOD_TAPE, Trainer.KERAS_FIT
    records = {
        OURS: [make_record([[step] * 8]) for step in (1.0, 2.0, 4.0)],
        tape.value: [stock(make_record, step, tape) for step in (1.5, 3.0, 6.0, 99.0)],
        fit.value: [stock(make_record, step, fit) for step in (2.0, 4.4)],
    }
    table = compare(records).set_index("way")
    assert table.at[tape.value, "ratio"] == pytest.approx(1.5)
    assert table.at[tape.value, "ratio_low"] == pytest.approx(1.5)
    assert table.at[fit.value, "launches"] == 2
    assert table.at[fit.value, "ratio_low"] < (2.0 * 2.2) ** 0.5 < table.at[fit.value, "ratio_high"]
    assert table.at[OURS, "ratio"] == 1
    assert set(table["provenance"]) == {"measured"}
    assert "1.50 [1.50, 1.50]" in readable(table.reset_index())


def test_a_way_that_never_ended_well_is_named(make_record):
    with pytest.raises(InputError, match="no launch of 'keras-fit' ended well"):
        compare({OURS: [make_record([[1.0] * 8])], "keras-fit": []})


def test_only_launches_that_are_missing_are_done(site, make_record, monkeypatch, tmp_path):
    launched = []

    def run_point(spec, site, launch, folder):
        launched.append(spec.trainer)
        if len(launched) == 2:  # the first launch of a peer fails
            failed = make_record([[1.0] * 4], outcome=Outcome.OOM, reason="out of memory")
            return msgspec.structs.replace(failed, spec=spec, launch=launch, site=site.name)
        step = 1.0 if spec.trainer is Trainer.SUITE else 1.4
        return msgspec.structs.replace(make_record([[step] * 4]), spec=spec, launch=launch, site=site.name)

    monkeypatch.setattr(peers, "run_point", run_point)
    monkeypatch.setattr(peers, "provide", lambda data, specs: None)
    case, results = Case("EfficientNetB0", 64, 8, 1, 2), Results(tmp_path)
    table = measure_peers(site, results, [case], launches=2, steps=4)
    assert list(table["launches"]) == [2, 1, 2]
    assert list(table["ratio"]) == pytest.approx([1, 1.4, 1.4])
    count = len(launched)
    again = measure_peers(site, results, [case], launches=2, steps=4)
    assert len(launched) == count + 1  # in place of the one that failed
    assert list(again["launches"]) == [2, 2, 2]
    assert len(steps_of(site, results, case, 4, DataRequest())[OURS]) == 8
