"""Labs for the tests, and what runs a point on one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench import REPOSITORY
from bench.lab.links import Link
from bench.lab.namespaces import why_not
from bench.lab.network import LOGIN, Lab
from bench.lab.site import Way, write_site
from deepgalaxy.profile import ComputeProfile, GradientReady, write_profile
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec, read_json, to_json
from deepgalaxy.words import Compute, Mode

DRIVER = Path(__file__).with_name("driver.py")
HOSTS = 4
GRADIENTS = (1000, 60_000, 3, 40_000, 10)
"""Elements; 0.4 MB in all."""

PAYLOAD_BYTES = 4 * sum(GRADIENTS)


def pytest_collection_modifyitems(items):
    """Where no lab can be made, its tests are skipped, and say why."""
    reason = why_not()
    for item in items:
        if "tests/lab/" in str(item.path):
            item.add_marker(pytest.mark.lab)
            if reason:
                item.add_marker(pytest.mark.skip(reason=f"no lab here: {reason}"))


@pytest.fixture
def lab(tmp_path):
    """Four hosts on links of 100 Mbit/s."""
    made = Lab(tmp_path / "lab")
    made.up(HOSTS, Link(rate="100mbit"))
    yield made
    made.down()


@pytest.fixture
def profile(tmp_path) -> Path:
    """A step of 0.15 s, with gradients of 0.4 MB."""
    ready = [GradientReady(elements=n, ready_s=0.02 * i) for i, n in enumerate(GRADIENTS)]
    path = tmp_path / "small.json"
    write_profile(
        ComputeProfile(
            backbone="Small",
            resolution=32,
            batch_size=2,
            forward_s=0.05,
            backward_s=0.1,
            step_jitter=[0.9, 1.0, 1.1],
            gradients=ready,
        ),
        path,
    )
    return path


class Point:
    """A point that runs on a lab's login host meanwhile."""

    def __init__(self, lab, folder, spec, launcher, limits):
        folder.mkdir()
        self.folder, self.spec, self._record = folder / "launch", spec, folder / "record.json"
        self.folder.mkdir()
        (folder / "point.json").write_bytes(to_json(spec))
        site = write_site(lab, Way(launcher))
        tokens = [folder / "point.json", site, lab.folder / "hostfile", self.folder, self._record, json.dumps(limits)]
        self._process = subprocess.Popen(
            lab.command(LOGIN, sys.executable, str(DRIVER), *map(str, tokens)), cwd=REPOSITORY
        )

    def wait_for_step(self, number, patience_s=120):
        """Return when every rank has done so many steps."""
        deadline = time.monotonic() + patience_s
        while any(self._steps(rank) < number for rank in range(self.spec.workers)):
            assert self._process.poll() is None, (self.folder / "log.txt").read_text()
            assert time.monotonic() < deadline, (self.folder / "log.txt").read_text()
            time.sleep(0.05)

    def record(self, patience_s=120) -> RunRecord:
        """What became of it."""
        assert self._process.wait(patience_s) == 0
        return read_json(self._record, RunRecord)

    def _steps(self, rank) -> int:
        path = self.folder / f"rank-{rank:05d}.steps.jsonl"
        return path.read_text().count('"step"') if path.exists() else 0

    def end(self):
        """Whatever became of it."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(30)


@pytest.fixture
def start(lab, profile, tmp_path):
    """A function that starts a point on the lab."""
    started = []

    def go(workers=3, launcher="mpirun", steps=8, limits=None, **fields) -> Point:
        spec = RunSpec(
            mode=Mode.TRAIN,
            backbone="Small",
            resolution=32,
            batch_size=2,
            workers=workers,
            data="",
            compute=Compute.EMULATED,
            profile=str(profile),
            steps=steps,
            warmup_steps=2,
            cores_per_worker=1,
            **fields,
        )
        started.append(Point(lab, tmp_path / f"point-{len(started)}", spec, launcher, limits or {}))
        return started[-1]

    yield go
    for point in started:
        point.end()
