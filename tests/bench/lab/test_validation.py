"""Records of a lab that does what the model says are foreseen; no lab is needed."""

from pathlib import Path

import msgspec
import pytest

from bench.commands.project import PROFILES
from bench.lab.links import Link
from bench.lab.site import Way, site_name
from bench.lab.validation import Wanted, errors_table, write_table
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.profile import read_profile
from deepgalaxy.record import ExchangeTimes
from deepgalaxy.words import Compute, Provenance

PATH = PROFILES / "ResNet50-512px-b2.json"
LINK = Link(rate="200mbit")
BANDWIDTH = 25e6


@pytest.fixture
def lab_record(make_record):
    profile = read_profile(PATH)
    compute = profile.forward_s + profile.backward_s
    payload = 4 * sum(g.elements for g in profile.gradients)

    def make(workers, **fields):
        # Hardly anything can be hidden: the exchange of all gradients takes several times as long as the step computes.
        taken = 2 * (workers - 1) / workers * payload / BANDWIDTH
        record = make_record(
            [[compute + taken] * 8] * workers,
            provenance=Provenance.EMULATED,
            backbone=profile.backbone,
            resolution=profile.resolution,
            batch_size=profile.batch_size,
            compute=Compute.EMULATED,
            profile=str(PATH),
            **fields,
        )
        slope = 0.0 if workers == 1 else 1 / BANDWIDTH
        exchanges = [
            ExchangeTimes(way="horovod", message_bytes=size, time_s=[0.001 + size * slope] * 3)
            for size in (4, 2**20, 2**24)
        ]
        ranks = [
            msgspec.structs.replace(rank, exchanges=exchanges, checks={"transport": "gloo"}, hostname=f"h{rank.rank}")
            for rank in record.ranks
        ]
        site = site_name(LINK, {}, Way("horovodrun", ring=False))
        return msgspec.structs.replace(record, ranks=ranks, site=site, launcher="horovodrun")

    return make


WANTED = Wanted(counts=[4, 8], links=[LINK], profiles=[PATH], steps=8)


def test_steps_that_follow_the_law_are_foreseen(lab_record):
    table = errors_table([lab_record(n) for n in (1, 2, 4, 8)], WANTED)
    assert list(table["hosts"]) == [4, 8]
    assert set(table["way"]) == {"Gloo"}
    assert table["error"].abs().max() < 0.25  # the made steps hide nothing, the model hides what it can
    assert (table["projected_step_time_s"] < table["step_time_s"] * 1.1).all()
    assert set(table["provenance"]) == {"emulated, projected"}


def test_without_one_host_and_two_there_is_nothing_to_say(lab_record, tmp_path):
    assert errors_table([lab_record(4)], WANTED).empty
    with pytest.raises(InputError, match="one host and two"):
        write_table(Results(tmp_path), WANTED)


def test_points_that_the_cores_limit_are_marked_and_left_out_of_the_summary(lab_record, tmp_path):
    results = Results(tmp_path)
    for record in (lab_record(1), lab_record(2), lab_record(4), lab_record(8, oversubscribe=True)):
        marked = msgspec.structs.replace(record, oversubscribed=record.spec.workers == 8)
        _, place = results.new_launch(marked.spec)
        results.write(marked, place)
    text, files = write_table(results, WANTED)
    assert "1 points that links limit" in text
    assert "8*" in text
    results = Results(tmp_path / "limited")
    for record in (lab_record(1), lab_record(2), lab_record(4, oversubscribe=True)):
        _, place = results.new_launch(record.spec)
        results.write(msgspec.structs.replace(record, oversubscribed=record.spec.workers == 4), place)
    assert "the cores may limit every point" in write_table(results, WANTED)[0]
    assert {path.name for path in map(Path, files)} == {"validation.csv", "validation.md"}
