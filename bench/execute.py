"""Run the points of a campaign one after the other."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from bench.analysis.scaling import scaling_table
from bench.campaign.data import DataRequest, provide
from bench.campaign.plan import Experience
from bench.campaign.site import Site
from bench.launch.allocation import Allocation
from bench.launch.journals import Journals
from bench.launch.run import Limits, run_point
from bench.store.results import Results
from deepgalaxy.console import Progress
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Compute, Outcome

SPARE_S = 6.0
"""Left of a job's time when its last point should end: to write and report."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What measuring is bound by.

    force: run also what earlier launches say there is no memory for
    enough: launches that ended well after which a point needs no more, whoever ran them; None for no bound
    """

    limits: Limits | None = None
    allocation: Allocation = field(default_factory=Allocation)
    force: bool = False
    enough: int | None = None


def measure(
    specs: Sequence[RunSpec], site: Site, results: Results, data: DataRequest, terms: Terms | None = None
) -> list[RunRecord]:
    """One new launch of every point that fits the site; the others are stored as skipped.

    Every record is on disk before the next point starts. A KeyboardInterrupt stores the point
    under way as interrupted and is raised again. Left for another time: points that another harness
    runs now, and those that the allocation has no time for any more.
    """
    terms = terms or Terms()
    allocation = terms.allocation
    provide(data, [s for s in specs if s.compute is Compute.REAL and not site.why_not(s)])
    began, used = time.monotonic(), time.process_time()
    progress = Progress(len(specs))
    experience = Experience(results.summaries(), site)
    records = []
    for done, spec in enumerate(specs):
        minutes = (experience.minutes(spec) or (0.0, ""))[0]
        if allocation.remaining_s() < 60 * minutes + SPARE_S:
            progress.note(f"{len(specs) - done} points are left: the job ends in {allocation.remaining_s():.0f} s")
            break
        with results.claimed(spec) as ours:
            if not ours:
                progress.note(f"{spec.name}: left to another harness, which runs it now")
                continue
            reason = site.why_not(spec) or ("" if terms.force else experience.why_not(spec))
            if reason and experience.skipped_for(spec) == reason:
                continue  # stored already
            if terms.enough is not None and results.ok_launches(spec, site.name) >= terms.enough:
                continue  # another harness was here in between
            number, folder = results.new_launch(spec)
            if reason:
                record = _skipped(spec, site, number, reason)
            else:
                record = _run(spec, site, (number, folder), results, (progress, done), terms)
            experience.take(results.write(record, folder))
        records.append(record)
        progress.note(summary(record))
    if records:
        share = (time.process_time() - used) / (time.monotonic() - began)
        progress.note(f"measuring took {share:.2%} of a core of the harness itself")
    return records


def summary(record: RunRecord) -> str:
    """One line on how a point ended."""
    if record.outcome is not Outcome.OK:
        return f"{record.spec.name}: {record.outcome.value}: {record.reason}"
    row = scaling_table([record], record.spec.workers).iloc[0]
    peak = row["peak_rss_bytes"] / 2**30
    return (
        f"{record.spec.name}: {row['throughput_images_per_s']:.1f} images/s, "
        f"step {row['step_time_s']:.3f} s, peak {peak:.2f} GiB a rank, took {record.wall_s:.0f} s"
    )


def _run(
    spec: RunSpec,
    site: Site,
    launch: tuple[int, Path],
    results: Results,
    shown: tuple[Progress, int],
    terms: Terms,
) -> RunRecord:
    progress, done = shown
    number, folder = launch
    hosts = terms.allocation.hosts[: site.nodes_for(spec)]

    def watch(journals: Journals) -> None:
        slowest = min(journals.ranks.values(), key=lambda s: s.step, default=None)
        part = slowest.step / slowest.of if slowest and slowest.of else 0.0
        progress.update(done + 0.9 * part, f"{spec.name}  {journals.progress}")

    try:
        record = run_point(spec, site, number, folder, limits=terms.limits, watch=watch, hosts=hosts)
        return msgspec.structs.replace(record, job=terms.allocation.job)
    except KeyboardInterrupt as error:
        if error.args:
            results.write(error.args[0], folder)
        raise


def _skipped(spec: RunSpec, site: Site, number: int, reason: str) -> RunRecord:
    return RunRecord(
        spec=spec,
        outcome=Outcome.SKIPPED,
        provenance=spec.provenance,
        site=site.name,
        launcher=site.launcher.value,
        launch=number,
        started_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        wall_s=0.0,
        reason=reason,
    )
