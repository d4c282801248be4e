"""Give a finished run its outcome, from everything that is known of its end."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deepgalaxy.errors import InputError
from deepgalaxy.record import RankRecord
from deepgalaxy.spec import RunSpec, read_json
from deepgalaxy.words import Compute, Outcome

LOG_LINES_SHOWN = 6
BUSY_SHARE = 0.85
"""Of all cores' time while gradients are under way: above it the cores may be what limits, and not the links."""
RANK_IN_LOG = (
    re.compile(r"process rank (\d+) "),  # Open MPI, a rank that a signal ended
    re.compile(r"Process name: \[prterun-.*@\d+,(\d+)\]"),  # Open MPI, a rank with a non-zero exit code
    re.compile(r"Process name: (\d+)$", re.MULTILINE),  # horovodrun
)
OUT_OF_MEMORY_IN_LOG = re.compile(r"std::bad_alloc|MemoryError|ResourceExhausted|Cannot allocate memory")
NOISE_IN_LOG = re.compile(r"^\s*$|^-+$|Unable to register cu|Attempting to register factory|\*\*\*")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What is known of a run's end.

    stopped: outcome and reason when the harness ended it
    ranks_seen: ranks that gave a sign of life
    oom_killed: the kernel killed some process for its memory meanwhile
    """

    exit_code: int
    stopped: tuple[Outcome, str] | None
    folder: Path
    log: Path
    ranks_seen: Sequence[int]
    oom_killed: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Outcome, reason (empty for ok), and the records of all ranks that left one."""

    outcome: Outcome
    reason: str = ""
    failed_rank: int | None = None
    ranks: list[RankRecord] = field(default_factory=list)


def classify(spec: RunSpec, evidence: Evidence) -> Verdict:
    """Name the end of a run; the most certain evidence decides."""
    ranks, damaged = _records(spec, evidence.folder)
    missing = [rank for rank in range(spec.workers) if rank not in {r.rank for r in ranks}]
    tail = _tail(evidence.log)

    def failed(outcome: Outcome, reason: str, rank: int | None = None) -> Verdict:
        told = f"{reason}; log {evidence.log}" + (f": {tail}" if tail else "")
        return Verdict(outcome=outcome, reason=told, failed_rank=rank, ranks=ranks)

    if evidence.stopped is not None:
        return failed(*evidence.stopped, _named_rank(evidence.stopped[1]))
    for rank in missing:
        failure = evidence.folder / f"rank-{rank:05d}.failure.json"
        if failure.exists():
            told = json.loads(failure.read_text())
            return failed(Outcome(told["outcome"]), f"rank {rank}: {told['reason']}", rank)
    if damaged:
        return failed(Outcome.BAD_RESULT, damaged)
    if not missing:
        return Verdict(outcome=Outcome.OK, ranks=ranks)
    text = evidence.log.read_text(errors="replace") if evidence.log.exists() else ""
    lost = next((int(m[1]) for pattern in RANK_IN_LOG if (m := pattern.search(text))), missing[0])
    if evidence.oom_killed or OUT_OF_MEMORY_IN_LOG.search(text):
        return failed(Outcome.OOM, f"out of memory, rank {lost} first", lost)
    if not evidence.ranks_seen:
        return failed(Outcome.LAUNCH_FAILED, f"the launcher ended with exit code {evidence.exit_code}")
    return failed(Outcome.RANK_LOST, f"rank {lost} ended without its record (exit code {evidence.exit_code})", lost)


def short_of_cores(spec: RunSpec, ranks: Sequence[RankRecord]) -> bool:
    """True when ranks had to wait for cores: those that compute when they share any, those that wait in place of
    computing when the machine was busy with their messages alone.
    """
    if spec.compute is Compute.REAL:
        return share_cores(ranks)
    return any(rank.machine_busy_share > BUSY_SHARE for rank in ranks)


def share_cores(ranks: Sequence[RankRecord]) -> bool:
    """True when two ranks of one physical machine compute on a common core, whatever a scheduler says."""
    return any(a.boot_id == b.boot_id and set(a.cpus) & set(b.cpus) for a, b in itertools.combinations(ranks, 2))


def kernel_oom_kills(root: Path = Path("/")) -> int:
    """Processes that the kernel has killed for memory: of the whole machine since boot, and of our control group,
    which in a container is all that can be seen.
    """
    sources = [root / "proc/vmstat"]
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            sources.append(root / "sys/fs/cgroup" / path.lstrip("/") / "memory.events")
        elif "memory" in controllers.split(","):
            sources.append(root / "sys/fs/cgroup/memory" / path.lstrip("/") / "memory.oom_control")
    counts = [line.split() for source in sources for line in _lines(source) if line.startswith("oom_kill ")]
    return sum(int(count) for _, count in counts)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _records(spec: RunSpec, folder: Path) -> tuple[list[RankRecord], str]:
    """Records of the ranks that left one, and what is wrong with them, if anything."""
    ranks: list[RankRecord] = []
    for rank in range(spec.workers):
        path = folder / f"rank-{rank:05d}.json"
        if path.exists():
            try:
                record = read_json(path, RankRecord)
            except InputError as error:
                return ranks, str(error)
            if record.rank != rank or len(record.step_time_s) != spec.steps:
                steps = len(record.step_time_s)
                return ranks, f"{path}: rank {record.rank} with {steps} steps, not rank {rank} with {spec.steps}"
            ranks.append(record)
    return ranks, ""


def _named_rank(reason: str) -> int | None:
    match = re.match(r"rank (\d+)", reason)
    return int(match[1]) if match else None


def _tail(log: Path) -> str:
    """The last lines of a log that say something, in one line."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        lines = file.read().decode(errors="replace").splitlines()
    return " | ".join([line.strip() for line in lines if not NOISE_IN_LOG.search(line)][-LOG_LINES_SHOWN:])
