import msgspec
import pytest

from bench import peers
from bench.campaign.data import DataRequest
from bench.campaign.site import Launcher, load_site
from bench.launch.turns import TURN_STEPS
from bench.peers import OURS, WAYS, Case, case_of, compare, measure_peers, steps_of, ways
from bench.report.peers import readable
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.words import Outcome, Runtime, Trainer
from tests.conftest import made_in_turn


@pytest.fixture
def site():
    return msgspec.structs.replace(load_site("local"), cores_per_node=2, workers_per_node=2, cores_per_worker=1)


def test_every_way_trains_the_same_case_and_only_ours_has_settings(site):
    case = Case.parse("EfficientNetB0:64:8:1:2")
    found = {way.name: way for way in ways(case, site, DataRequest(), steps=2 * TURN_STEPS)}
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
        ways(Case("EfficientNetB0", 64, 8, 2, 2), site, DataRequest(), steps=2 * TURN_STEPS)


def launch(make_record, step_s, trainer=Trainer.SUITE):
    """Two turns of equal steps; the first of a turn is slow."""
    runtime = Runtime.TUNED if trainer is Trainer.SUITE else Runtime.STOCK
    return make_record(
        [([9.0] + [step_s] * (TURN_STEPS - 1)) * 2], runtime=runtime, trainer=trainer, turn_steps=TURN_STEPS
    )


def test_the_ratio_is_of_launches_that_took_turns(make_record):
    tape, fit = Trainer.HOROVOD_TAPE, Trainer.KERAS_FIT
    found = {
        tape.value: [(launch(make_record, s), launch(make_record, 1.5 * s, tape)) for s in (1.0, 2.0, 4.0)],
        fit.value: [(launch(make_record, s), launch(make_record, r * s, fit)) for s, r in ((1.0, 2.0), (2.0, 2.2))],
    }
    table = compare(found).set_index("way")
    assert table.at[tape.value, "ratio"] == pytest.approx(1.5)
    assert table.at[tape.value, "ratio_low"] == pytest.approx(1.5)
    assert table.at[fit.value, "launches"] == 2
    assert table.at[fit.value, "ratio_low"] < (2.0 * 2.2) ** 0.5 < table.at[fit.value, "ratio_high"]
    assert table.at[OURS, "ratio"] == 1
    assert table.at[OURS, "launches"] == 5
    assert set(table["provenance"]) == {"measured"}
    assert "1.50 [1.50, 1.50]" in readable(table.reset_index())


def test_a_way_that_never_ended_well_is_named():
    with pytest.raises(InputError, match="no launch of 'keras-fit' beside ours ended well"):
        compare({"keras-fit": []})


def test_only_pairs_that_are_missing_are_launched(site, make_record, monkeypatch, tmp_path):
    launched = []

    def made(way):
        launched.append(way.spec.trainer)
        if len(launched) == 2:  # the first launch of a peer fails
            return make_record([[1.0] * 4], outcome=Outcome.OOM, reason="out of memory")
        return launch(make_record, 1.0 if way.spec.trainer is Trainer.SUITE else 1.4)

    monkeypatch.setattr(peers, "run_in_turn", made_in_turn(made))
    monkeypatch.setattr(peers, "provide", lambda data, specs: None)
    case, results, steps = Case("EfficientNetB0", 64, 8, 1, 2), Results(tmp_path), 2 * TURN_STEPS
    table = measure_peers(site, results, [case], launches=2, steps=steps)
    assert list(table["launches"]) == [3, 1, 2]
    assert list(table["ratio"]) == pytest.approx([1, 1.4, 1.4])
    count = len(launched)
    again = measure_peers(site, results, [case], launches=2, steps=steps)
    assert len(launched) == count + 2  # in place of the pair of which one failed
    assert list(again["launches"]) == [4, 2, 2]
    assert len(steps_of(site, results, case, steps, DataRequest())[OURS]) == 4 * 2 * (TURN_STEPS - 1)
