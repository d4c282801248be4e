"""`deepgalaxy profile`: a real step, gradient by gradient."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from bench import REPOSITORY
from deepgalaxy.cli import main
from deepgalaxy.profile import read_profile


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A profile of a small network, measured in a process of its own, and what the command said."""
    path = tmp_path_factory.mktemp("profile") / "small.json"
    sizes = ["--resolution", "64", "--batch-size", "4", "--steps", "5"]
    command = [sys.executable, "-m", "deepgalaxy.cli", "profile", "ResNet50", *sizes, "--out", str(path), "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return path, json.loads(done.stdout)


def test_every_gradient_is_there_once_and_in_the_order_of_a_backward_pass(measured):
    path, told = measured
    profile = read_profile(path)
    assert (profile.backbone, profile.resolution, profile.batch_size) == ("ResNet50", 64, 4)
    elements = [g.elements for g in profile.gradients]
    assert len(elements) == told["gradients"] == 214 and 4 * sum(elements) == told["gradient_bytes"]
    assert elements[0] == 71  # the bias of the last layer
    assert 7 * 7 * 64 in elements[-8:]  # the kernel of the first, on images of one channel
    assert len(profile.step_jitter) == 5 and np.mean(profile.step_jitter) == pytest.approx(1, abs=1e-3)


def test_gradients_are_ready_one_after_the_other_and_not_all_at_the_end(measured):
    profile = read_profile(measured[0])
    ready = np.array([g.ready_s for g in profile.gradients]) / profile.backward_s
    assert ready[0] < 0.2 and ready[-1] == pytest.approx(1, abs=0.2)
    assert 0.1 < np.median(ready) < 0.9
    assert profile.forward_s > 0


def test_faster_divides_all_times_and_nothing_else(measured, tmp_path, capsys):
    path, _ = measured
    assert main(["profile", "--from", str(path), "--faster", "2", "--out", str(tmp_path / "fast.json")]) == 0
    assert "fast.json" in capsys.readouterr().out
    slow, fast = read_profile(path), read_profile(tmp_path / "fast.json")
    assert fast.backward_s == pytest.approx(slow.backward_s / 2, abs=1e-6)
    assert [g.elements for g in fast.gradients] == [g.elements for g in slow.gradients]
    assert fast.step_jitter == slow.step_jitter


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "either a backbone to measure or --from FILE"),
        (["ResNet5O"], "unknown backbone 'ResNet5O'; near names: ResNet50"),
        (["ResNet50", "--resolution", "8"], "--resolution 8 is too small"),
        (["ResNet50", "--steps", "0"], "--steps 0 is too small"),
        (["ResNet50", "--batch-size", "0"], "--batch-size 0 is too small"),
        (["ResNet50", "--faster", "0"], "--faster 0.0 is not a number above 0"),
        (["--from", "none.json"], "none.json: No such file"),
        (["ResNet50", "--from", "none.json"], "either a backbone"),
    ],
)
def test_wrong_input_is_one_line(tmp_path, capsys, arguments, told):
    assert main(["profile", *arguments, "--out", str(tmp_path / "a.json")]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1
