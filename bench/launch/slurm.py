"""Slurm: batch scripts as pure text, and the few commands that submit, look and cancel.

Why not PSI/J or submitit: submitit sends pickled functions, and this suite sends tokens; PSI/J writes a script
a job of its own making and asks for each job apart, where here one script that a person can read holds a
campaign, its allocation is shared by all points, and one question to the scheduler serves all jobs.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.campaign.site import Site
from deepgalaxy.errors import InputError, first_line

STOP_BEFORE_END_S = 90
"""How long before a job's end it is told to stop, so that the point under way is recorded as interrupted."""

PATIENCE_S = 60


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is asked of Slurm. command: tokens; `TASK` among them stands for the number of an array's task.

    log: where the output goes; folder: where the command runs
    tasks: of a job array, 0 for a plain job; about: lines for who reads the script
    """

    name: str
    site: Site
    nodes: int
    workers_per_node: int
    cores_per_worker: int
    minutes: float
    command: Sequence[str]
    log: Path
    folder: Path
    tasks: int = 0
    about: Sequence[str] = field(default_factory=list)


TASK = "\0task"


def options(job: Job) -> list[tuple[str, str]]:
    """Options of sbatch and their values, "" for none.

    Raises
    ------
    InputError: the job is longer than the site takes
    """
    longest = 60 * job.site.max_job_hours
    if job.minutes > longest:
        raise InputError(
            f"job {job.name!r} needs {job.minutes / 60:.1f} h, site {job.site.name} takes jobs of up to "
            f"{job.site.max_job_hours:g} h; submit it as jobs per count or as an array (--way)"
        )
    chosen = [
        ("job-name", job.name),
        ("nodes", str(job.nodes)),
        ("ntasks-per-node", str(job.workers_per_node)),
        ("cpus-per-task", str(job.cores_per_worker)),
        ("time", str(max(1, -(-int(60 * job.minutes) // 60)))),
        ("output", str(job.log).replace("%", "%%") + ("-%A_%a.out" if job.tasks else "-%j.out")),
        ("signal", f"B:TERM@{STOP_BEFORE_END_S}"),
    ]
    if job.tasks:
        chosen.append(("array", f"0-{job.tasks - 1}"))
    return chosen + list(job.site.scheduler_options.items())


def script(job: Job) -> str:
    """The batch script: `sbatch FILE` submits it, also by hand.

    Text that a line can't hold is left to the tokens of `submission`.
    """
    lines = ["#!/bin/bash"]
    lines += [f"# {line}" for text in job.about for line in text.splitlines()]
    for name, value in options(job):
        if _fits(value):
            lines.append(f"#SBATCH --{name}" + (f"={_quoted(value)}" if value else ""))
    lines += ["", "set -eu", f"cd {shlex.quote(str(job.folder))}"]
    lines += [f"module load {shlex.quote(module)}" for module in job.site.modules]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in job.site.environment.items()]
    # exec: the signal before the end goes to the harness itself, which ends the ranks and writes what it has.
    tokens = ['"$SLURM_ARRAY_TASK_ID"' if token == TASK else shlex.quote(token) for token in job.command]
    return "\n".join([*lines, "exec " + " ".join(tokens)]) + "\n"


def submission(job: Job, path: Path) -> list[str]:
    """The command that submits the script that lies at `path`."""
    more = [f"--{name}={value}" for name, value in options(job) if not _fits(value)]
    return ["sbatch", "--parsable", *more, "--", str(path)]


def submit(job: Job, path: Path) -> str:
    """Write the script and submit it; returns the job's id.

    Raises
    ------
    InputError: Slurm refused it, or can't be reached
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script(job))
    return _asked(submission(job, path)).strip().partition(";")[0]


def refusal(job: Job, path: Path) -> str:
    """What Slurm has against a script, by `sbatch --test-only`; empty when it would take it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script(job))
    command = submission(job, path)
    try:
        _asked([command[0], "--test-only", *command[1:]])
    except InputError as error:
        return str(error)
    return ""


def states(jobs: Sequence[str]) -> dict[str, str]:
    """State of each job that Slurm still has in its queue, e.g. RUNNING; one question for all.

    Of an array the states of its tasks that are left, each once.
    """
    found: dict[str, set[str]] = {}
    told = _asked(["squeue", "--noheader", "--format=%F %T"]) if jobs else ""
    for line in told.splitlines():
        job, _, state = line.strip().partition(" ")
        if job in jobs:
            found.setdefault(job, set()).add(state)
    return {job: "+".join(sorted(s)) for job, s in found.items()}


def cancel(jobs: Sequence[str]) -> None:
    """End jobs, those under way gently: they record what they have."""
    if jobs:
        _asked(["scancel", "--signal=TERM", "--batch", *jobs])
        _asked(["scancel", "--state=PENDING", *jobs])


def _asked(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{command[0]} can't be run: {first_line(error)}") from None
    if done.returncode:
        told = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
        raise InputError(f"{command[0]}: {told}")
    return done.stdout


def _fits(value: str) -> bool:
    return value.isprintable()


def _quoted(value: str) -> str:
    """A value as sbatch reads it from a line of a script: no shell sees these lines."""
    if re.fullmatch(r"[A-Za-z0-9_./%:@,+=-]+", value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
