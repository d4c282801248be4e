"""`dgbench submit | status | cancel | collect`: campaigns through a scheduler."""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
from collections import Counter
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from bench import REPOSITORY
from bench.campaign.campaign import load_campaign
from bench.campaign.plan import Planned, job_minutes
from bench.campaign.site import Scheduler
from bench.commands.campaigns import within_budget
from bench.commands.common import Sweep, campaign_options, results_of, site_options
from bench.commands.reporting import print_report
from bench.launch import slurm
from bench.store.results import write_atomically
from deepgalaxy.errors import InputError


class Way(str, Enum):
    """How a campaign goes through the scheduler."""

    NESTED = "nested"
    ARRAY = "array"
    PER_COUNT = "per-count"


class Submitted(msgspec.Struct, frozen=True, kw_only=True):
    """What was submitted as one job: kept beside its script, read by status and cancel."""

    job: str
    name: str
    way: Way
    script: str
    points: list[str]
    submitted_utc: str


def add(commands: Any) -> None:
    """Describe the commands."""
    submit = commands.add_parser(
        "submit",
        help="submit a campaign to the site's scheduler",
        description=(
            "Write batch scripts into the results' folder and submit them. nested: one job whose allocation all points "
            "share, largest first (the default); array: a task a point, an array a node count; per-count: a job a "
            "worker count. Points that have ended well are left out; a job near its end stops cleanly, and submitting "
            "again goes on."
        ),
        epilog="example: dgbench submit fig7 --site slurm-cpu --dry-run",
    )
    campaign_options(submit)
    site_options(submit)
    submit.add_argument("--way", choices=[w.value for w in Way], default=Way.NESTED.value, help="(nested)")
    submit.add_argument("--random-order", action="store_true", help="points in random order instead of largest first")
    submit.add_argument("--dry-run", action="store_true", help="write and print the scripts, submit nothing")
    submit.set_defaults(run=_submit)
    for name, work, text in (
        ("status", _status, "where a campaign stands: points by outcome, and its jobs"),
        ("cancel", _cancel, "end a campaign's jobs; what they have measured stays"),
        ("collect", _collect, "table and figure of what the jobs have brought so far"),
    ):
        command = commands.add_parser(name, help=text, epilog=f"example: dgbench {name} fig7 --site slurm-cpu")
        campaign_options(command)
        site_options(command)
        command.set_defaults(run=work)


def _submit(arguments: argparse.Namespace) -> int:
    sweep = Sweep.asked_for(arguments)
    if sweep.site.scheduler is not Scheduler.SLURM:
        raise InputError(f"site {sweep.site.name} has no scheduler; `dgbench run` measures here")
    planned = [p for p in sweep.planned(force=arguments.force) if p.launches and not p.why_not]
    jobs = _jobs(sweep.results.folder)
    living = slurm.states([j.job for j in jobs]) if jobs and not arguments.dry_run else {}
    busy = {key for job in jobs if job.job in living for key in job.points}
    if busy:
        print(f"{len(busy)} points are left out: jobs {', '.join(living)} have them")
    planned = [p for p in planned if p.spec.key not in busy]
    if not planned:
        print(
            "nothing to submit: every point has ended well, is on its way, or does not fit (`dgbench plan` says which)"
        )
        return 0
    within_budget(sweep, planned)
    folder = sweep.results.folder / "jobs" / datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S")
    way = Way(arguments.way)
    for number, points in enumerate(groups(planned, way)):
        if arguments.random_order:
            random.shuffle(points)
        job, path = _job(sweep, arguments, points, way, folder / f"{number:02d}")
        if arguments.dry_run:
            print(f"# {path}\n{slurm.script(job)}")
            continue
        identity = slurm.submit(job, path)
        submitted = Submitted(
            job=identity,
            name=job.name,
            way=way,
            script=str(path),
            points=[p.spec.key for p in points],
            submitted_utc=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        write_atomically(path.with_suffix(".json"), msgspec.json.format(msgspec.json.encode(submitted)))
        print(f"job {identity}: {len(points)} points, {job.nodes} nodes, up to {job.minutes:.0f} min: {path}")
    return 0


def groups(planned: list[Planned], way: Way) -> list[list[Planned]]:
    """The points of each job: all, those of one node count, or those of one worker count; largest first."""
    largest_first = sorted(planned, key=lambda p: -p.spec.workers)
    if way is Way.NESTED:
        return [largest_first]
    by = {Way.ARRAY: lambda p: p.nodes, Way.PER_COUNT: lambda p: p.spec.workers}[way]
    return [list(group) for _, group in itertools.groupby(sorted(largest_first, key=by, reverse=True), key=by)]


def _job(
    sweep: Sweep, arguments: argparse.Namespace, points: list[Planned], way: Way, base: Path
) -> tuple[slurm.Job, Path]:
    """A job for these points, and where its script goes; the list of points is written beside it."""
    listed = base.with_suffix(".points")
    listed.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(listed, "".join(f"{p.spec.key}\n" for p in points).encode())
    command = [sys.executable, "-m", "bench.cli", "resume", arguments.campaign, "--site", arguments.site]
    command += ["--results", str(sweep.results.folder.resolve()), "--points", str(listed.resolve())]
    command += ["--launcher", arguments.launcher] if arguments.launcher else []
    command += [f"--{name}" for name in ("force", "oversubscribe") if getattr(arguments, name)]
    command += ["--task", slurm.TASK] if way is Way.ARRAY else []
    most = max(points, key=lambda p: p.nodes * p.spec.workers_per_node * p.spec.cores_per_worker).spec
    hours = sum(p.node_hours for p in points)
    job = slurm.Job(
        name=f"dgbench {sweep.campaign.name} {base.name}",
        site=sweep.site,
        nodes=max(p.nodes for p in points),
        workers_per_node=most.workers_per_node,
        cores_per_worker=most.cores_per_worker,
        minutes=max(job_minutes([p]) for p in points) if way is Way.ARRAY else job_minutes(points),
        command=command,
        log=base.resolve(),
        tasks=len(points) if way is Way.ARRAY else 0,
        folder=REPOSITORY,
        about=[
            f"{sweep.campaign.name}: {sweep.campaign.question}",
            f"{len(points)} points ({way.value}), about {hours:.1f} node-hours. Submit it by hand: sbatch THIS_FILE",
            "Each point that has ended well stays; submitted again, the job goes on with the others.",
        ],
    )
    return job, base.with_suffix(".sh")


def _jobs(folder: Path) -> list[Submitted]:
    return [msgspec.json.decode(path.read_bytes(), type=Submitted) for path in sorted(folder.glob("jobs/*/*.json"))]


def _status(arguments: argparse.Namespace) -> int:
    sweep = Sweep.asked_for(arguments)
    last = {summary.key: summary for summary in sweep.results.summaries()}
    counts: Counter[str] = Counter()
    trouble = []
    for spec in sweep.specs:
        found = last.get(spec.key)
        counts[found.outcome.value if found else "not run"] += 1
        if found and found.reason:
            trouble.append(f"{spec.name}: {found.outcome.value}: {found.reason}")
    jobs = _jobs(sweep.results.folder)
    states = slurm.states([j.job for j in jobs]) if jobs else {}
    told = {
        "points": len(sweep.specs),
        "outcomes": dict(counts),
        "jobs": {j.job: states.get(j.job, "ended") for j in jobs},
    }
    if arguments.json:
        print(json.dumps(told | {"trouble": trouble}, indent=1))
        return 0
    print(f"{len(sweep.specs)} points: " + ", ".join(f"{n} {outcome}" for outcome, n in counts.most_common()))
    for job in jobs:
        print(f"job {job.job} ({job.way.value}, {len(job.points)} points): {states.get(job.job, 'ended')}")
    print(*trouble, sep="\n", end="\n" if trouble else "")
    return 0


def _cancel(arguments: argparse.Namespace) -> int:
    sweep = Sweep.asked_for(arguments)
    jobs = [j.job for j in _jobs(sweep.results.folder)]
    living = list(slurm.states(jobs)) if jobs else []
    slurm.cancel(living)
    print(f"cancelled {len(living)} jobs" if living else "no job of this campaign is waiting or running")
    return 0


def _collect(arguments: argparse.Namespace) -> int:
    if not arguments.json:
        _status(arguments)
    campaign = load_campaign(arguments.campaign)
    print_report(results_of(arguments, campaign), campaign, as_json=arguments.json)
    return 0
