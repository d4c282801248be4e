"""What `pytest bench/` does with its options: points, measurements, pytest-benchmark's table."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench import REPOSITORY, execute
from bench.analysis.scaling import baseline_for, curve, scaling_table, steady_steps
from bench.campaign.campaign import make_spec
from bench.campaign.counts import parse_counts
from bench.campaign.data import DataRequest
from bench.campaign.site import Launcher, Site, load_site
from bench.launch import allocation
from bench.launch.allocation import Allocation
from bench.store.results import Results
from deepgalaxy.data.layout import read_catalogue
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.catalogue import NO_BACKBONE
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Engine, Mode, Outcome, Precision, possible

DEFAULT_RESULTS = REPOSITORY / "results" / "pytest"
EXTRA_INFO = (
    *("throughput_images_per_s", "throughput_low", "throughput_high", "speedup"),
    *("efficiency", "efficiency_low", "efficiency_high", "baseline_workers", "workers"),
    *("step_p50_s", "step_p95_s", "step_p99_s"),
    *("peak_rss_bytes", "total_peak_rss_bytes", "provenance", "oversubscribed", "site", "launcher"),
)
BATCHES_PER_STEP = 32
"""A batch loads in a fraction of the time of a step that computes: so many more are measured."""

FEWEST_VECTORS = 101
"""In an index to search: one more than the neighbours that are looked at."""

QUESTION = "What does `pytest bench/` measure on this machine?"


class ReplayClock:
    """A timer that pytest-benchmark reads twice a round, and that lets the given seconds pass between.

    The work was done and timed in the ranks; the table and JSON get those times, unchanged.
    """

    def __init__(self) -> None:
        self._instants: list[float] = [0.0]
        self._next = 0

    def load(self, durations_s: Sequence[float]) -> None:
        """Round i will seem to last `durations_s[i]`."""
        self._instants = [0.0]
        for seconds in durations_s:
            start = self._instants[-1]
            self._instants += [start + seconds, start + seconds]
        self._next = 0

    def __call__(self) -> float:
        """The next instant, seconds."""
        now = self._instants[min(self._next, len(self._instants) - 1)]
        self._next += 1
        return now


@dataclass
class Benchmarks:
    """The points that were asked for, and what is needed to measure them."""

    site: Site
    specs: list[RunSpec]
    baseline_workers: int
    results: Results | None
    data: DataRequest
    asked: frozenset[int]
    vectors: list[int]
    here: Allocation = field(default_factory=Allocation)
    _measured: list[RunRecord] = field(default_factory=list)

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Benchmarks:
        """Check the command line.

        Raises
        ------
        InputError: anything that can't be run as asked, named with its option
        """
        here = allocation.find(os.environ, options.hostfile)
        site = here.narrowed(_site(options))
        workers = parse_counts(options.workers) if options.workers else _up_to(site.slots)
        baseline = baseline_for(workers, site.slots, options.baseline)
        if options.data:
            read_catalogue(Path(options.data))
        if options.model and not Path(options.model).is_file():
            raise InputError(f"--model {options.model} does not exist")
        # The default folder is made when something is measured, one that was asked for is checked now.
        results = Results(options.results) if options.results else None
        data = DataRequest(file=options.data or "")
        specs = _swept(options, site, data, sorted({baseline, *workers}))
        vectors = _integers("--vectors", options.vectors) if options.vectors else []
        if min(vectors, default=FEWEST_VECTORS) < FEWEST_VECTORS:
            raise InputError(f"--vectors {min(vectors)} is too small: {FEWEST_VECTORS} or more is allowed")
        return cls(site, specs, baseline, results, data, frozenset(workers), vectors, here)

    def points(self, mode: Mode) -> list[RunSpec]:
        """The points of one mode, baselines first; a baseline that nothing will be compared to is left out."""
        chosen = [spec for spec in self.specs if spec.mode is mode]
        runnable = any(not self.site.why_not(s) for s in chosen if s.workers in self.asked)
        return [spec for spec in chosen if spec.workers in self.asked or runnable]

    def run(self, point: RunSpec) -> list[float]:
        """Measure a point; returns its steady steps' times, seconds, each the slowest rank's.

        A point that does not fit is a skipped test, one that did not end well a failed test.
        """
        reason = self.site.why_not(point)
        if reason:
            pytest.skip(reason)
        self.results = self.results or Results(DEFAULT_RESULTS)
        record = self._stored_baseline(point, self.results)
        if record is None:
            print(file=sys.stderr)  # off the line that pytest has begun
            terms = execute.Terms(allocation=self.here, force=True)  # somebody asked for just this point
            records = execute.measure([point], self.site, self.results, self.data, terms)
            if not records:
                pytest.skip("no time is left in the allocation, or another harness runs this point now")
            (record,) = records
        self._measured.append(record)
        if record.outcome is not Outcome.OK:
            pytest.fail(f"{record.outcome.value}: {record.reason}", pytrace=False)
        return [float(seconds) for seconds in steady_steps(record).max(axis=0)]

    def extra_info(self) -> dict[str, Any]:
        """Throughput, efficiency, memory and provenance of the point measured last."""
        last = self._measured[-1]
        alike = [record for record in self._measured if curve(record) == curve(last)]
        table = scaling_table(alike, self.baseline_workers)
        row = table[table["workers"] == last.spec.workers].iloc[0].to_dict()
        return {name: _plain(row[name]) for name in EXTRA_INFO}

    def closing_lines(self) -> list[str]:
        """The table with efficiencies, and the files, after measuring."""
        if not self._measured or self.results is None:
            return []
        try:
            remedy = "choose another --results"
            text, files = execute.report(self.results, QUESTION, self.baseline_workers, remedy=remedy)
        except InputError as error:
            return ["", f"no table: {error}"]
        return ["", text, *(f"wrote {path}" for path in files)]

    def _stored_baseline(self, point: RunSpec, results: Results) -> RunRecord | None:
        """A baseline that was not itself asked for is taken from the results where it is there."""
        if point.workers in self.asked:
            return None
        found = [r for r in results.records() if r.spec.key == point.key and r.outcome is Outcome.OK]
        same = [r for r in found if (r.site, r.launcher) == (self.site.name, self.site.launcher.value)]
        return same[-1] if same else None


def _site(options: argparse.Namespace) -> Site:
    """The site, with what the command line says otherwise."""
    site = load_site(options.site)
    if options.launcher:
        launcher = _one_of("--launcher", options.launcher, [x.value for x in Launcher])
        site = msgspec.structs.replace(site, launcher=Launcher(launcher))
    return site.with_cores_per_worker(options.cores_per_worker) if options.cores_per_worker else site


def _swept(options: argparse.Namespace, site: Site, data: DataRequest, workers: list[int]) -> list[RunSpec]:
    """The cross product of the options, without what can't be combined."""
    axes = {
        "mode": [_one_of("--mode", m, [x.value for x in Mode]) for m in options.mode.split(",")],
        "backbone": options.backbone.split(","),
        "resolution": _integers("--resolution", options.resolution),
        "batch_size": _integers("--batch-size", options.batch_size),
        "precision": [_one_of("--precision", p, [x.value for x in Precision]) for p in options.precision.split(",")],
        "engine": [_one_of("--engine", e, [x.value for x in Engine]) for e in options.engine.split(",")],
        "workers": workers,
    }
    specs: dict[str, RunSpec] = {}
    for values in itertools.product(*axes.values()):
        fields = dict(zip(axes, values, strict=True)) | {"steps": options.steps, "learning_rate": 1.0}
        if fields["mode"] == Mode.LOAD.value:
            fields |= {"backbone": NO_BACKBONE, "precision": "fp32", "engine": "tensorflow"}
            fields["steps"] *= BATCHES_PER_STEP
        if fields["mode"] == Mode.INFER.value and options.model:
            fields["model"] = str(Path(options.model).resolve())
        if not possible(Engine(fields["engine"]), Precision(fields["precision"])):
            continue  # asked for alone, it is told below
        fields["oversubscribe"] = options.oversubscribe and fields["workers"] > site.slots
        spec = make_spec(site, data, **fields)
        specs.setdefault(spec.key, spec)
    if not specs:
        raise InputError(f"--precision {options.precision} is the Intel extension's: it needs --engine itex")
    return list(specs.values())


def _plain(value: Any) -> Any:
    """A Python value that JSON can hold; NaN, the absence of a figure, as null."""
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value


def _up_to(slots: int) -> list[int]:
    """1, 2, 4, ... and all slots."""
    return parse_counts(f"1:{slots}", "slots")


def _one_of(option: str, given: str, allowed: Sequence[str]) -> str:
    if given not in allowed:
        raise InputError(f"{option}: {near_names('value', given, allowed)}")
    return given


def _integers(option: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {text!r} is not a whole number, or several separated by commas") from None
