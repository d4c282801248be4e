"""Runs that share the machine by turns: what slows it for a minute slows all of them alike.

Launches one after the other differ by what the machine did meanwhile, on a shared one by a tenth and more. Here all
are launched, each starts and warms up while the others stand still, and then they train in turns of a few steps,
back and forth (A B B A ...). Who waits is stopped by the kernel: neither its threads nor Horovod's take any core.
For ranks on this machine; those on other hosts wait as well, but nobody stops their threads.
"""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.campaign.site import Site
from bench.launch.journals import Journals
from bench.launch.run import Limits, deaf, run_point
from bench.store.results import Results
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.turns import grant
from deepgalaxy.words import Outcome

PATIENT = {"HOROVOD_GLOO_TIMEOUT_SECONDS": "86400"}
"""A rank that stood still while it listened to another must not take that for a failure."""

LIMITS = Limits(total_s=4 * 3600.0)


class Way(NamedTuple):
    """One of the runs: its name, the point, and the site with what starts it."""

    name: str
    spec: RunSpec
    site: Site


def run_in_turn(ways: Sequence[Way], results: Results) -> list[RunRecord]:
    """One launch of every way, stored, with the others' names in its record (`beside`).

    Every spec has the same number of turns (`steps / turn_steps`). A launch that fails leaves its turns to the others.
    A KeyboardInterrupt ends and stores all of them before it is raised again.
    """
    launches = [results.new_launch(way.spec) for way in ways]
    names = [_name(way.spec, number) for way, (number, _) in zip(ways, launches, strict=True)]
    order = _Order([(way.spec, folder) for way, (_, folder) in zip(ways, launches, strict=True)])

    def run(i: int) -> RunRecord:
        way, (number, folder) = ways[i], launches[i]
        site = msgspec.structs.replace(way.site, environment=PATIENT | way.site.environment)
        interrupt: KeyboardInterrupt | None = None
        with order.place(i):
            try:
                record = run_point(
                    way.spec, site, number, folder, limits=LIMITS, watch=lambda journals: order.look(i, journals)
                )
            except KeyboardInterrupt as error:
                if not error.args:
                    raise
                record, interrupt = error.args[0], error
        record = msgspec.structs.replace(record, beside=[name for name in names if name != names[i]])
        results.write(record, folder)
        if interrupt:
            raise interrupt
        return record

    with ThreadPoolExecutor(len(ways)) as pool:
        futures = [pool.submit(run, i) for i in range(len(ways))]
        try:
            return [future.result() for future in futures]
        except BaseException:
            with deaf():
                order.end()
                pool.shutdown()
            raise


def together(results: Results, ways: Sequence[Way]) -> list[tuple[RunRecord, ...]]:
    """Stored launches of these ways that took turns with one another and all ended well, oldest first."""
    sides = [
        {_name(record.spec, record.launch): record for record in results.records() if _is(record, way)} for way in ways
    ]
    found = []
    for first in sides[0].values():
        beside = [next((side[name] for name in first.beside if name in side), None) for side in sides[1:]]
        group = [record for record in beside if record is not None]
        if len(group) == len(first.beside) == len(beside):
            found.append((first, *group))
    return found


def _is(record: RunRecord, way: Way) -> bool:
    ok = record.outcome is Outcome.OK
    return ok and (record.spec.key, record.site) == (way.spec.key, way.site.name)


def _name(spec: RunSpec, launch: int) -> str:
    return f"{spec.key}/{launch}"


class _Order:
    """Whose turn it is. Turn 0 is the start with its warm-up, and the last one goes on to the run's end."""

    def __init__(self, runs: Sequence[tuple[RunSpec, Path]]) -> None:
        self._runs = runs
        self._changed = threading.Condition()
        self._turns = _plan(len(runs), max(spec.steps // spec.turn_steps for spec, _ in runs))
        self._who, self._turn = next(self._turns)
        self._gone: set[int] = set()
        self._pids: dict[int, list[int]] = {}
        self._ended = False

    @contextmanager
    def place(self, i: int) -> Iterator[None]:
        """Wait for the first turn; whatever happens in the context, the other runs go on after it."""
        with self._changed:
            self._changed.wait_for(lambda: self._who == i or self._ended)
            if self._ended:
                raise KeyboardInterrupt
        try:
            yield
        finally:
            with self._changed:
                self._gone.add(i)
                if self._who == i:
                    self._next()

    def look(self, i: int, journals: Journals) -> None:
        """How far run `i` has come: at the end of its turn it is stopped, and the next one goes on."""
        with self._changed:
            if self._ended:
                raise KeyboardInterrupt
            if self._who != i:
                for state in journals.ranks.values():  # silent as it should be
                    state.since = time.monotonic()
                return
            spec, _ = self._runs[i]
            until = spec.warmup_steps + self._turn * spec.turn_steps
            last = until >= spec.warmup_steps + spec.steps
            ranks = journals.ranks.values()
            if last or len(ranks) < spec.workers or any(state.step < until for state in ranks):
                return
            self._pids[i] = [s.pid for s in ranks if s.pid is not None and s.host == platform.node()]
            _signal(self._pids[i], signal.SIGSTOP)
            self._next()

    def end(self) -> None:
        """Let every run end, wherever it is."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _next(self) -> None:
        left = ((who, turn) for who, turn in self._turns if who not in self._gone)
        self._who, self._turn = next(left, (-1, 0))
        if self._turn:
            grant(self._runs[self._who][1], self._turn)
            _signal(self._pids.get(self._who, []), signal.SIGCONT)
        self._changed.notify_all()


def _plan(runs: int, turns: int) -> Iterator[tuple[int, int]]:
    """Who has which turn, in order."""
    for turn in range(turns + 1):
        for i in range(runs)[:: -1 if turn % 2 else 1]:
            yield i, turn


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
