"""What `pytest bench/` does with its options: points, measurements, pytest-benchmark's table."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench import REPOSITORY, execute, peers
from bench.analysis import gate
from bench.analysis.scaling import baseline_for, curve, scaling_table, steady_steps
from bench.campaign.counts import parse_counts
from bench.campaign.data import DataRequest
from bench.campaign.site import Site
from bench.commands.common import EFFECT
from bench.commands.reporting import projected_points, table_of
from bench.launch import allocation
from bench.launch.allocation import Allocation
from bench.options import asked_site, integers, swept, up_to
from bench.projection.missing import told
from bench.report.report import report
from bench.store import baselines
from bench.store.baselines import Baseline
from bench.store.results import Results
from deepgalaxy.data.layout import read_catalogue
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Mode, Outcome

DEFAULT_RESULTS = REPOSITORY / "results" / "pytest"
DEFAULT_PEER_RESULTS = REPOSITORY / "results" / "peers"
EXTRA_INFO = (
    *("throughput_images_per_s", "throughput_low", "throughput_high", "speedup"),
    *("efficiency", "efficiency_low", "efficiency_high", "baseline_workers", "workers"),
    *("step_p50_s", "step_p95_s", "step_p99_s"),
    *("peak_rss_bytes", "total_peak_rss_bytes", "provenance", "oversubscribed", "site", "launcher"),
)
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
    launches: int = 1
    reference: Baseline | None = None
    ignore_machine: bool = False
    here: Allocation = field(default_factory=Allocation)
    _measured: list[RunRecord] = field(default_factory=list)
    _projected: list[dict[str, Any]] = field(default_factory=list)
    _peers: dict[str, dict[str, tuple[list[float], dict[str, Any]]]] = field(default_factory=dict)

    @classmethod
    def from_options(cls, options: argparse.Namespace) -> Benchmarks:
        """Check the command line.

        Raises
        ------
        InputError: anything that can't be run as asked, named with its option
        """
        here = allocation.find(os.environ, options.hostfile)
        site = here.narrowed(asked_site(options))
        workers = parse_counts(options.workers) if options.workers else up_to(site.slots)
        baseline = baseline_for(workers, site.slots, options.baseline_workers)
        if options.data:
            read_catalogue(Path(options.data))
        if options.model and not Path(options.model).is_file():
            raise InputError(f"--model {options.model} does not exist")
        # The default folder is made when something is measured, one that was asked for is checked now.
        results = Results(options.results) if options.results else None
        data = DataRequest(file=options.data or "")
        specs = swept(options, site, data, sorted({baseline, *workers}))
        vectors = integers("--vectors", options.vectors) if options.vectors else []
        if min(vectors, default=FEWEST_VECTORS) < FEWEST_VECTORS:
            raise InputError(f"--vectors {min(vectors)} is too small: {FEWEST_VECTORS} or more is allowed")
        if options.launches < 1:
            raise InputError(f"--launches {options.launches} is too small: 1 or more is allowed")
        reference = baselines.read(baselines.locate(site.name, options.baseline)) if options.baseline else None
        return cls(
            site,
            specs,
            baseline,
            results,
            data,
            frozenset(workers),
            vectors,
            launches=options.launches,
            reference=reference,
            ignore_machine=options.ignore_machine,
            here=here,
        )

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
            pytest.skip("; ".join([reason, *self._foreseen(point)]))
        self.results = self.results or Results(DEFAULT_RESULTS)
        stored = self._stored_baseline(point, self.results)
        new = [stored] if stored else self._launched(point, self.results)
        self._measured += new
        for record in new:
            if record.outcome is not Outcome.OK:
                pytest.fail(f"{record.outcome.value}: {record.reason}", pytrace=False)
        return [float(seconds) for record in new for seconds in steady_steps(record).max(axis=0)]

    def _foreseen(self, point: RunSpec) -> list[str]:
        """What the model says of a point that does not fit, where its baseline was measured."""
        rows = projected_points(self._measured, [point], self.site.network, self.baseline_workers)
        self._projected += rows
        return [told(row) for row in rows]

    def run_peers(self, point: RunSpec) -> dict[str, tuple[list[float], dict[str, Any]]]:
        """Measure a point and other ways to train it in turn: steps and figures by way, once a point.

        A point that does not fit is a skipped test, a way that did not end well a failed one.
        """
        if reason := self.site.why_not(point):
            pytest.skip(reason)
        if point.key not in self._peers:
            print(file=sys.stderr)  # off the line that pytest has begun
            results = Results(self.results.folder if self.results else DEFAULT_PEER_RESULTS)
            case = peers.case_of(point)
            try:
                table = peers.measure_peers(
                    self.site, results, [case], launches=self.launches, steps=point.steps, data=self.data
                )
            except InputError as error:
                pytest.fail(str(error), pytrace=False)
            found = peers.steps_of(self.site, results, case, point.steps, self.data)
            rows = {row["way"]: {k: _plain(v) for k, v in row.items()} for row in table.to_dict("records")}
            self._peers[point.key] = {way: (found[way], row) for way, row in rows.items()}
        return self._peers[point.key]

    def _launched(self, point: RunSpec, results: Results) -> list[RunRecord]:
        """New launches of a point."""
        print(file=sys.stderr)  # off the line that pytest has begun
        terms = execute.Terms(allocation=self.here, force=True)  # somebody asked for just this point
        records: list[RunRecord] = []
        for _ in range(self.launches):
            records += execute.measure([point], self.site, results, self.data, terms)
        if not records:
            pytest.skip("no time is left in the allocation, or another harness runs this point now")
        return records

    def judge(self, point: RunSpec) -> None:
        """Hold the launches of a point against the baseline that was named, if one was.

        The test fails where it regressed or the baseline has no such point, and is skipped where nothing can be said.
        """
        if self.reference is None or point.workers not in self.asked:
            return
        mine = [record for record in self._measured if record.spec.key == point.key]
        try:
            baselines.require_same_facts(self.reference, mine)
        except InputError as error:
            pytest.fail(str(error), pytrace=False)
        now = gate.points(mine)
        alike = {new.key for new in now}
        then = [old for old in self.reference.points if old.key in alike]
        rows = gate.compare(now, then, EFFECT, ignore_machine=self.ignore_machine)
        against = f"against baseline {self.reference.name}: "
        if not rows:
            pytest.skip(against + "ranks that share cores are not gated")
        ruling = against + "; ".join(row.told for row in rows)
        verdict = gate.overall(row.verdict for row in rows)
        if verdict in (gate.Verdict.REGRESSED, gate.Verdict.NO_DATA):
            pytest.fail(ruling, pytrace=False)
        if verdict is gate.Verdict.INCONCLUSIVE:
            pytest.skip(ruling)

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
            text, files = report(
                self.results,
                QUESTION,
                self.baseline_workers,
                remedy=remedy,
                elsewhere=table_of(self._projected),
            )
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


def _plain(value: Any) -> Any:
    """A Python value that JSON can hold; NaN, the absence of a figure, as null."""
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value
