"""A step without arithmetic: its gradients are of the right sizes, ready at the right times, and really summed."""

from __future__ import annotations

import itertools
import json
import platform
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from bench import REPOSITORY
from deepgalaxy import emulation
from deepgalaxy.emulation import RELEASES, emulate, emulated_step, releases
from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.journal import Journal
from deepgalaxy.profile import ComputeProfile, GradientReady, write_profile
from deepgalaxy.record import RankRecord
from deepgalaxy.spec import read_json, to_json
from deepgalaxy.training.ranks import Alone
from deepgalaxy.words import Compute


def profile(ready_s=(0.0, 0.05, 0.1), elements=(3, 1000, 7), **fields) -> ComputeProfile:
    gradients = [GradientReady(elements=n, ready_s=t) for n, t in zip(elements, ready_s, strict=True)]
    defaults = dict(backbone="EfficientNetB0", resolution=32, batch_size=4, forward_s=0.02, backward_s=0.12)
    return ComputeProfile(**(defaults | {"step_jitter": [1.0], "gradients": gradients} | fields))


@pytest.fixture
def emulated(make_spec, tmp_path):
    """A function that makes a point from a profile."""

    def made(of=None, **fields):
        path = tmp_path / "profile.json"
        write_profile(of or profile(), path)
        return make_spec(compute=Compute.EMULATED, profile=str(path), data="", **fields)

    return made


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path, 0)


class Clocked(Alone):
    """A rank without peers that notes when each gradient reaches the exchange."""

    def __init__(self):
        super().__init__()
        object.__setattr__(self, "came", [])

    def sum(self, gradients):
        def note(gradient):
            self.came.append((time.perf_counter(), gradient.size))
            return gradient

        return [tf.numpy_function(note, [g], tf.float32) for g in gradients]


def test_gradients_reach_the_exchange_when_they_are_ready_and_not_before():
    ranks = Clocked()
    waits, step = emulated_step(profile(), ranks)
    for scale in (1.0, 1.0, 2.0):
        ranks.came.clear()
        began = time.perf_counter()
        waits.begin(began, scale)
        step()
        after = [came - began for came, _ in ranks.came]
        assert [size for _, size in ranks.came] == [3, 1000, 7]
        assert all(a >= scale * (0.02 + ready) for a, ready in zip(after, (0.0, 0.05, 0.1), strict=True))
    assert waits.ready_after_s >= 2.0 * 0.12


def test_a_later_gradient_does_not_wait_for_an_earlier_ones_exchange():
    class Slow(Clocked):
        def sum(self, gradients):
            def hold(gradient):
                self.came.append((time.perf_counter(), gradient.size))
                time.sleep(0.3 if gradient.size == 3 else 0.0)
                return gradient

            return [tf.numpy_function(hold, [g], tf.float32) for g in gradients]

    ranks = Slow()
    waits, step = emulated_step(profile(), ranks)
    waits.begin(time.perf_counter(), 1.0)
    step()
    # The waits go on while the first is exchanged: the last was ready before that had ended.
    assert waits.ready_after_s < 0.02 + 0.0 + 0.3


@given(st.lists(st.floats(0, 1), min_size=1, max_size=500), st.floats(0.5, 2))
def test_releases_keep_all_gradients_in_order_and_none_comes_early(times, backward_s):
    ready = sorted(times)
    found = releases(profile(ready, range(1, len(ready) + 1), backward_s=backward_s))
    assert list(itertools.chain(*(elements for _, elements in found))) == list(range(1, len(ready) + 1))
    moments = np.repeat([moment for moment, _ in found], [len(elements) for _, elements in found])
    assert (moments >= ready).all()
    assert (moments - ready).max() <= backward_s / RELEASES
    assert len(found) <= RELEASES / backward_s + 1


def test_the_record_tells_times_sizes_and_how_busy_the_machine_was(emulated, journal, tmp_path):
    fields = emulate(emulated(), Alone(), journal)
    lines = [json.loads(line) for line in (tmp_path / "rank-00000.steps.jsonl").read_text().splitlines()]
    assert [line["phase"] for line in lines if "phase" in line] == ["start", "build", "first_step"]
    assert [line["step"] for line in lines if "step" in line] == [1, 2, 3, 4]
    assert fields["gradient_bytes"] == 4 * 1010 and fields["parameters"] == 1010
    assert len(fields["step_time_s"]) == 3 and min(fields["step_time_s"]) >= 0.12
    assert fields["split"].whole_s == fields["step_time_s"]
    assert all(r <= w for r, w in zip(fields["split"].compute_s, fields["split"].whole_s, strict=True))
    assert 0 <= fields["machine_busy_share"] <= 1
    assert fields["loss"] == []


def test_steps_vary_as_the_profile_does(emulated, journal):
    spec = emulated(profile(step_jitter=[1.0, 3.0]), steps=24, warmup_steps=1)
    times = emulate(spec, Alone(), journal)["split"].compute_s
    long = [t for t in times if t >= 3 * 0.12]
    assert 0 < len(long) < 24
    assert all(t >= 0.12 for t in times)


def test_a_slow_host_waits_longer(emulated, journal, monkeypatch):
    monkeypatch.setenv(emulation.SLOW_HOSTS, f"other=9,{platform.node()}=2")
    fields = emulate(emulated(), Alone(), journal)
    assert min(fields["split"].compute_s) >= 2 * 0.12
    assert fields["checks"]["slowdown"] == "2"


def test_a_wrong_sum_is_found(emulated, journal):
    class Damaging(Alone):
        def sum(self, gradients):
            return [g + tf.one_hot(2, tf.size(g)) if g.shape[0] == 1000 else g for g in gradients]

    with pytest.raises(BadResultError, match="element 2 of gradient 1 sums to 2.0, not 1"):
        emulate(emulated(), Damaging(), journal)


def test_a_profile_of_something_else_is_refused(emulated, journal):
    with pytest.raises(InputError, match="is of .*EfficientNetB0.*32, 4.*not of .*32, 8"):
        emulate(emulated(batch_size=8), Alone(), journal)


def test_the_worker_emulates_where_the_spec_says_so(emulated, tmp_path):
    (tmp_path / "spec.json").write_bytes(to_json(emulated(exchange=False)))
    command = [sys.executable, "-m", "deepgalaxy.worker", str(tmp_path / "spec.json"), str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    record = read_json(tmp_path / "rank-00000.json", RankRecord)
    assert record.split is not None and record.checks["gradients"] == "3"


def test_the_machine_is_busy_between_nothing_and_all():
    before, after = emulation._ticks(), emulation._ticks()
    assert 0 <= after[0] - before[0] <= after[1] - before[1]
