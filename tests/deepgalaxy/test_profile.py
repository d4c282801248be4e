"""Profiles as files: what is written is read, and what no step can be is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import REPOSITORY
from deepgalaxy.errors import InputError
from deepgalaxy.profile import ComputeProfile, GradientReady, read_profile, write_profile

SHIPPED = sorted((REPOSITORY / "jobs" / "profiles").glob("*.json"))


def profile(**fields) -> ComputeProfile:
    gradients = [GradientReady(elements=10, ready_s=0.0), GradientReady(elements=20, ready_s=0.5)]
    defaults = dict(backbone="Small", resolution=32, batch_size=2, forward_s=1.0, backward_s=1.0, step_jitter=[1.0])
    return ComputeProfile(**(defaults | {"gradients": gradients} | fields))


def test_what_is_written_is_read(tmp_path):
    write_profile(profile(), tmp_path / "a.json")
    assert read_profile(tmp_path / "a.json") == profile()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"forward_s": 0.0}, "forward_s 0.0"),
        ({"backward_s": float("nan")}, "backward_s nan"),
        ({"step_jitter": []}, "step_jitter must hold"),
        ({"step_jitter": [1.0, -1.0]}, "step_jitter must hold"),
        ({"gradients": []}, "gradients must hold one or more"),
        ({"gradients": [GradientReady(elements=0, ready_s=0.0)]}, "gradients must hold one or more"),
        ({"gradients": [GradientReady(elements=1, ready_s=t) for t in (0.2, 0.1)]}, "in the order"),
        ({"schema": 2}, "schema 2 of this profile is not 1"),
    ],
)
def test_what_no_step_can_be_is_refused(fields, told):
    with pytest.raises(InputError, match=told):
        profile(**fields)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "profile .*a.json: "),
        ("{}", "missing required field"),
        ('{"backbone": 3}', "Expected `str`"),
    ],
)
def test_a_file_that_is_none_is_told_with_its_name(tmp_path, text, told):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=told):
        read_profile(tmp_path / "a.json")
    with pytest.raises(InputError, match="b.json: No such file"):
        read_profile(tmp_path / "b.json")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_profiles_are_of_what_their_names_say(path: Path):
    found = read_profile(path)
    backbone, pixels, batch, *_ = path.stem.split("-")
    assert (backbone, pixels, batch) == (found.backbone, f"{found.resolution}px", f"b{found.batch_size}")
    # What `deepgalaxy info` says of these networks with 71 classes.
    tensors, elements = {
        "EfficientNetB4": (418, 17_675_919),
        "ResNet50": (214, 23_680_071),
        "EfficientNetB0": (213, 4_098_499),
    }[backbone]
    assert (len(found.gradients), sum(g.elements for g in found.gradients)) == (tensors, elements)
    assert found.gradients[-1].ready_s == pytest.approx(found.backward_s, rel=0.05)
    assert found.gradients[0].elements == 71  # the classifier's bias comes first: it is the last layer's


def test_the_scaled_profile_is_the_measured_one_four_times_as_fast():
    folder = REPOSITORY / "jobs" / "profiles"
    real, fast = (read_profile(folder / f"EfficientNetB4-512px-b2{end}.json") for end in ("", "-4x-faster"))
    assert fast.forward_s == pytest.approx(real.forward_s / 4, abs=1e-6)
    assert fast.step_jitter == real.step_jitter
    for slow, quick in zip(real.gradients, fast.gradients, strict=True):
        assert quick.elements == slow.elements and quick.ready_s == pytest.approx(slow.ready_s / 4, abs=1e-6)
    assert json.loads((folder / "EfficientNetB4-512px-b2.json").read_text())["schema"] == 1
