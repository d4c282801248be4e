"""Launch one point, watch it to its end, and return its record."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import psutil

from bench import REPOSITORY
from bench.campaign.site import Launcher, Site
from bench.launch import outcome
from bench.launch.commands import COMMANDS, rank_environment, worker_command
from bench.launch.journals import Journals
from deepgalaxy.environment import surroundings
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec, to_json
from deepgalaxy.words import Outcome

GUARD = Path(__file__).with_name("guard.py")
POLL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a run is given up.

    start_s: without a sign of life before its first step; step_s: between two steps
    lost_s: after a rank's process has vanished; total_s: in all
    free_memory_bytes: least memory the machine may be left with
    """

    total_s: float = 3600.0
    start_s: float = 600.0
    step_s: float = 120.0
    lost_s: float = 10.0
    free_memory_bytes: int = 256 * 2**20


def run_point(
    spec: RunSpec,
    site: Site,
    launch: int,
    folder: Path,
    *,
    limits: Limits | None = None,
    watch: Callable[[Journals], None] = lambda journals: None,
    hosts: Sequence[str] = (),
) -> RunRecord:
    """One launch of `spec` in the empty `folder`; `watch` is called twice a second.

    hosts: names of the nodes to run on; none for this machine

    A failure of the run is an outcome, never an exception. A KeyboardInterrupt ends the ranks
    first and is then raised again, with the record as its argument.
    """
    limits = limits or Limits()
    spec_path = folder / "spec.json"
    spec_path.write_bytes(to_json(spec))
    ours = {"SLURM_MPI_TYPE": site.pmi} if site.launcher is Launcher.SRUN else {}
    environment = rank_environment(
        os.environ, spec, ours | site.environment, as_root=os.geteuid() == 0, settings=site.runtime
    )
    argv = COMMANDS[site.launcher](spec, worker_command(spec_path, folder), environment, hosts)
    log = folder / "log.txt"
    began, started = time.monotonic(), datetime.now(timezone.utc)
    oom_kills = outcome.kernel_oom_kills()
    interrupt: KeyboardInterrupt | None = None
    stopped: tuple[Outcome, str] | None = None
    journals = Journals(folder)
    undisturbed = ExitStack()
    with _guarded(argv, environment, log) as process:
        try:
            stopped = _watch(process, journals, limits, watch)
        except KeyboardInterrupt as error:
            undisturbed.enter_context(deaf())
            interrupt, stopped = error, (Outcome.INTERRUPTED, "ended by Ctrl-C or SIGTERM")
    journals.read_on()
    verdict = outcome.classify(
        spec,
        outcome.Evidence(
            exit_code=process.returncode,
            stopped=stopped,
            folder=folder,
            log=log,
            ranks_seen=sorted(journals.ranks),
            oom_killed=outcome.kernel_oom_kills() > oom_kills,
        ),
    )
    record = RunRecord(
        spec=spec,
        outcome=verdict.outcome,
        provenance=spec.provenance,
        site=site.name,
        launcher=site.launcher.value,
        launch=launch,
        started_utc=started.isoformat(timespec="seconds"),
        wall_s=time.monotonic() - began,
        oversubscribed=outcome.short_of_cores(spec, verdict.ranks),
        argv=argv,
        hosts=list(hosts),
        machine=surroundings(),
        ranks=verdict.ranks,
        reason=verdict.reason,
        failed_rank=verdict.failed_rank,
        exit_code=process.returncode,
        log=log.name,
    )
    undisturbed.close()
    if interrupt is not None:
        raise KeyboardInterrupt(record) from interrupt
    return record


@contextmanager
def deaf() -> Iterator[None]:
    """Ignore further signals to end: they come in pairs, and a second one would cost the record.

    They reach the main thread alone; others have none to ignore.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _guarded(argv: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command under its guard; on leaving, whatever is left of it has been ended."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-I", str(GUARD), *argv],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=REPOSITORY,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def _watch(
    process: subprocess.Popen[bytes], journals: Journals, limits: Limits, watch: Callable[[Journals], None]
) -> tuple[Outcome, str] | None:
    """Wait for the end; returns why the run had to be stopped, or None when it ended by itself."""
    began = time.monotonic()
    poll = select.poll()
    descriptor = os.pidfd_open(process.pid)
    poll.register(descriptor, select.POLLIN)
    try:
        while not poll.poll(POLL_S * 1000):
            journals.read_on()
            watch(journals)
            reason = _why_stop(journals, limits, began)
            if reason is not None:
                return reason
    finally:
        os.close(descriptor)
    return None


def _why_stop(journals: Journals, limits: Limits, began: float) -> tuple[Outcome, str] | None:
    now = time.monotonic()
    if now - began > limits.total_s:
        return Outcome.TIMEOUT, f"not done after {limits.total_s:.0f} s, its time limit"
    free = psutil.virtual_memory().available
    if free < limits.free_memory_bytes:
        return Outcome.OOM, f"stopped with {free / 2**20:.0f} MiB of the machine's memory left"
    if not journals.ranks and now - began > limits.start_s:
        return Outcome.LAUNCH_FAILED, f"no rank gave a sign of life in {limits.start_s:.0f} s"
    for rank, state in journals.ranks.items():
        silent = now - state.since
        finished = (journals.folder / f"rank-{rank:05d}.json").exists()
        if not finished and silent > limits.lost_s and state.dead:
            return Outcome.RANK_LOST, f"rank {rank} (process {state.pid}) is gone after {journals.progress}"
        bound = max(limits.step_s, 20 * state.step_time_s) if state.step > 1 else limits.start_s
        if not finished and silent > bound:
            return Outcome.HANG, f"rank {rank} has done nothing for {silent:.0f} s, after {journals.progress}"
    return None
