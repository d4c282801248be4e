import msgspec
import pytest

from bench.analysis.calibration import calibration_of
from bench.projection.exchange import MeasuredFabric
from bench.projection.inputs import calibrated, summary_of, work_from
from bench.projection.step import step
from bench.store.calibration import read_calibration, write_calibration
from deepgalaxy.errors import InputError
from deepgalaxy.profile import ComputeProfile, GradientReady
from deepgalaxy.record import ExchangeTimes
from deepgalaxy.words import Outcome, Provenance

PROFILE = ComputeProfile(
    backbone="EfficientNetB0",
    resolution=64,
    batch_size=8,
    forward_s=0.3,
    backward_s=0.7,
    step_jitter=[1.0],
    gradients=[GradientReady(elements=1_000_000, ready_s=0.1 * i) for i in range(1, 8)],
)
BANDWIDTH = 1e8
FREE = MeasuredFabric(latency_s=0.0, node_bandwidth=1e15, coordination_s=0.0, ring_coordination=False)


@pytest.fixture
def run(make_record):
    """A record of ranks that timed exchanges."""

    def make(workers, mpi=True, **fields):
        record = make_record([[1.0] * 12] * workers, **fields)
        slow = BANDWIDTH if workers > 1 else 1e12
        exchanges = [
            ExchangeTimes(way=way, message_bytes=size, time_s=[0.001 + size / slow] * 4)
            for way in ("horovod", *(["mpi"] if mpi else []))
            for size in (4, 2**16, 2**24)
        ]
        ranks = [
            msgspec.structs.replace(
                rank,
                hostname=f"h{rank.rank}",
                exchanges=exchanges,
                computing_lost=0.1,
                checks={"transport": "mpi" if mpi else "gloo"},
            )
            for rank in record.ranks
        ]
        return msgspec.structs.replace(record, ranks=ranks)

    return make


def test_a_calibration_survives_its_file_and_says_what_was_measured(run, tmp_path):
    calibration = calibration_of([run(1)], [run(2)], PROFILE)
    write_calibration(calibration, tmp_path / "here.json")
    again = read_calibration(tmp_path / "here.json")
    assert again == calibration
    told = summary_of(again)
    assert told["step_time_s"] == pytest.approx(1.0, rel=0.05)
    assert told["bandwidth_bytes_per_s"] == pytest.approx(BANDWIDTH, rel=0.05)
    assert (told["nodes"], told["computing_lost"], told["provenance"]) == (2, pytest.approx(0.1), "measured")


def test_calibrated_on_emulated_ranks_it_is_emulated(run):
    emulated = {"provenance": Provenance.EMULATED}
    assert calibration_of([run(1, **emulated)], [run(2, **emulated)], PROFILE).provenance is Provenance.EMULATED


def test_the_machine_of_a_calibration_has_its_network_its_cycle_and_what_exchanges_take_from_computing(run):
    calibration = calibration_of([run(1)], [run(2, mpi=False)], PROFILE)
    work = work_from(1.0, [(g.elements, g.ready_s) for g in PROFILE.gradients], PROFILE.backward_s, 0.01)
    machine = calibrated(calibration, work, 8, 1, None)
    assert (machine.work.stolen, machine.work.compute_s) == (pytest.approx(0.1), 1.0)
    assert machine.work.cycle_s == pytest.approx(0.001, rel=0.01)
    assert machine.fabric.allreduce_s(1e8, 2, 1) == pytest.approx(1.0, rel=0.05)


def test_workers_that_slow_each_other_down_on_their_node_are_projected_to_do_so(run, make_record):
    beside = make_record([[1.1, 1.3] * 6] * 2, exchange=False)
    calibration = calibration_of([run(1)], [run(2, mpi=False)], PROFILE, [beside])
    work = work_from(1.0, [(g.elements, g.ready_s) for g in PROFILE.gradients], PROFILE.backward_s, 0.01)
    projected = step(2, 2, calibrated(calibration, work, 8, 2, None).work, FREE)
    assert projected.compute_s + projected.contention_s == pytest.approx(1.2)
    assert projected.stragglers_s > step(2, 2, work, FREE).stragglers_s
    assert summary_of(calibration)["contention"] == pytest.approx(0.4)


def test_all_launches_count(run, make_record):
    calibration = calibration_of([run(1)] * 3, [run(2)] * 3, PROFILE, [make_record([[1.1] * 12] * 2)] * 3)
    assert (len(calibration.step_time_s), len(calibration.beside_step_time_s)) == (36, 72)
    assert len(calibration.together[4]) == 3 * 2 * 4


def test_workers_on_nodes_of_their_own_say_nothing_of_sharing_one(run):
    assert calibration_of([run(1)], [run(2)], PROFILE).beside_step_time_s == []


def test_a_failed_run_side_by_side_is_told(run, make_record):
    failed = msgspec.structs.replace(make_record([[1.0] * 12] * 2), outcome=Outcome.OOM, ranks=[], reason="no memory")
    with pytest.raises(InputError, match="oom: no memory"):
        calibration_of([run(1)], [run(2)], PROFILE, [failed])


@pytest.mark.parametrize(
    ("one", "two", "message"), [(1, 1, "one of 2 is needed"), (2, 2, "one of 1 is needed"), (0, 2, "without timed")]
)
def test_runs_that_do_not_fit_are_refused(run, make_record, one, two, message):
    first = run(one) if one else make_record([[1.0] * 12])
    with pytest.raises(InputError, match=message):
        calibration_of([first], [run(two)], PROFILE)


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), ("{", "dgbench calibrate"), ('{"schema": 9}', "dgbench calibrate")]
)
def test_a_file_that_is_none_is_told_in_one_line(tmp_path, content, message):
    path = tmp_path / "c.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_calibration(path)
