"""Tasks on several processes, with their progress; none outlives the command."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from deepgalaxy.errors import InputError
from deepgalaxy.lifetime import die_with_parent
from deepgalaxy.mergers.dataset import Report, Task, Timing, perform

_progress: Any = None  # a process's way to its parent


def perform_all(tasks: Sequence[Task], workers: int, report: Report) -> list[Timing]:
    """Do the tasks, `workers` at a time, each on its share of the cores; what they took, as they ended.

    Raises
    ------
    InputError: a process was killed; what was finished is kept
    whatever `perform` raises
    """
    workers = max(1, min(workers, len(tasks)))
    if workers == 1:
        return [perform(task, report) for task in tasks]
    context = multiprocessing.get_context("spawn")
    channel = context.SimpleQueue()
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    with ProcessPoolExecutor(workers, context, _begin, (channel, threads)) as pool:
        pending: set[Future[Timing]] = {pool.submit(_perform_there, task) for task in tasks}
        timings: list[Timing] = []
        try:
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                while not channel.empty():
                    report(*channel.get())
                timings += [future.result() for future in done]
        except BrokenProcessPool:
            raise InputError(
                "a simulating process was killed, maybe for want of memory (fewer --workers need less); "
                "what was finished is kept: the same command goes on from there"
            ) from None
        finally:
            for future in pending:
                future.cancel()
    return timings


def _begin(channel: object, threads: int) -> None:
    """In each process: end with the parent, in whatever way that ends; compute on `threads` threads."""
    global _progress
    die_with_parent()
    os.environ["NUMBA_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    _progress = channel


def _perform_there(task: Task) -> Timing:
    send: Callable[[tuple[str, float]], None] = _progress.put
    return perform(task, lambda name, share: send((name, share)))
