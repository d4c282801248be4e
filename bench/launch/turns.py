"""Runs that share the machine by turns: what slows it for a moment slows all of them alike.

Launches one after the other differ by what the machine did meanwhile, on a shared one by a tenth and more. Here all
are launched, each starts and warms up while the others stand still, and then they train in turns of few steps. In
which order they start and have each turn is drawn by lot, anew for every launch: in a fixed one a way would owe part
of its speed to its place. Who waits is stopped by the kernel: neither its threads nor Horovod's take any core. For
ranks on this machine alone.
"""

from __future__ import annotations

import os
import random
import select
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from bench.campaign.site import Site
from bench.launch.journals import Journals
from bench.launch.run import Limits, deaf, run_point
from bench.store.results import Results
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.turns import GIVEN, PIPE, give
from deepgalaxy.words import Outcome

PATIENT = {"HOROVOD_GLOO_TIMEOUT_SECONDS": "86400"}
"""A rank that stood still while it listened to another must not take that for a failure."""

LIMITS = Limits(total_s=4 * 3600.0)

TURN_STEPS = 3
"""Of every turn, the first of which is not compared: few, as a shared machine is another one a second later."""

GONE_S = 0.5
"""Between two looks whether a run has ended that should be at work."""


class Way(NamedTuple):
    """One of the runs: its name, the point, and the site with what starts it."""

    name: str
    spec: RunSpec
    site: Site


def whole_turns(steps: int) -> int:
    """So many steps, or the few more that make whole turns."""
    return TURN_STEPS * -(-steps // TURN_STEPS)


def run_in_turn(ways: Sequence[Way], results: Results) -> list[RunRecord]:
    """One launch of every way, stored, with the others' names in its record (`beside`).

    Every spec has the same number of turns (`steps / turn_steps`). A launch that fails leaves its turns to the others.
    A KeyboardInterrupt ends and stores all of them before it is raised again.
    """
    launches = [results.new_launch(way.spec) for way in ways]
    names = [_name(way.spec, number) for way, (number, _) in zip(ways, launches, strict=True)]
    order = _Order([(way.spec, folder) for way, (_, folder) in zip(ways, launches, strict=True)], seed=launches[0][0])

    def run(i: int) -> RunRecord:
        way, (number, folder) = ways[i], launches[i]
        site = msgspec.structs.replace(way.site, environment=PATIENT | way.site.environment)
        interrupt: KeyboardInterrupt | None = None
        with order.place(i):
            try:
                record = run_point(way.spec, site, number, folder, limits=LIMITS, watch=partial(order.look, i))
            except KeyboardInterrupt as error:
                record, interrupt = error.args[0], error
        record = msgspec.structs.replace(record, beside=[name for name in names if name != names[i]])
        results.write(record, folder)
        if interrupt:
            raise interrupt
        return record

    with ThreadPoolExecutor(len(ways)) as pool:
        futures = [pool.submit(run, i) for i in range(len(ways))]
        try:
            order.conduct()
            return [future.result() for future in futures]
        except BaseException:
            with deaf():
                order.end()
                pool.shutdown()
            raise


def together(results: Results, ways: Sequence[Way]) -> list[tuple[RunRecord, ...]]:
    """Stored launches of these ways that took turns with one another and all ended well, oldest first."""
    records = list(results.records())
    sides = [{_name(record.spec, record.launch): record for record in records if _is(record, way)} for way in ways]
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

    def __init__(self, runs: Sequence[tuple[RunSpec, Path]], seed: int) -> None:
        self._runs, self._seed = runs, seed
        self._turns = max(spec.steps // spec.turn_steps for spec, _ in runs)
        self._may_start = [threading.Event() for _ in runs]
        self._gone = [threading.Event() for _ in runs]
        self._who = -1
        self._ended = False
        self._pipes = [folder / PIPE for _, folder in runs]
        for pipe in self._pipes:
            os.mkfifo(pipe)

    def conduct(self) -> None:
        """Give all turns to all runs, and return when the last of them has ended."""
        with ExitStack() as opened:  # for reading and writing, so that opening waits for nobody
            pipes = [opened.enter_context(pipe.open("r+b", buffering=0)) for pipe in self._pipes]
            for pipe in self._pipes:
                opened.callback(pipe.unlink)
                opened.callback(pipe.with_name(GIVEN).unlink, missing_ok=True)
            pids: list[list[int]] = [[] for _ in self._runs]
            for who, turn in _plan(len(self._runs), self._turns, self._seed):
                self._who = who
                if turn == 0:
                    self._may_start[who].set()
                else:
                    give(self._runs[who][1], turn)
                    self._signal(who, pids[who], signal.SIGCONT)
                if turn == self._turns:
                    self._gone[who].wait()
                else:
                    pids[who] = self._waiting(who, pipes[who])
                    self._signal(who, pids[who], signal.SIGSTOP)

    def _signal(self, who: int, pids: Sequence[int], number: signal.Signals) -> None:
        """To a run's ranks, unless it has ended: their numbers may be others' by then."""
        for pid in pids if not self._gone[who].is_set() else ():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _waiting(self, who: int, pipe: IO[bytes]) -> list[int]:
        """Process numbers of a run's ranks, once all of them wait; of those that do when it ends before."""
        said = b""
        while said.count(b"\n") < self._runs[who][0].workers and not self._gone[who].is_set():
            if select.select([pipe], [], [], GONE_S)[0]:
                said += pipe.read(4096)
        return [int(line) for line in said.split()]

    @contextmanager
    def place(self, i: int) -> Iterator[None]:
        """Wait for the first turn; whatever happens in the context, the other runs go on after it."""
        try:
            self._may_start[i].wait()
            if self._ended:
                raise KeyboardInterrupt
            yield
        finally:
            self._gone[i].set()

    def look(self, i: int, journals: Journals) -> None:
        """Called while run `i` goes on: it is not to be taken for silent while it waits."""
        if self._ended:
            raise KeyboardInterrupt
        if self._who != i:
            for state in journals.ranks.values():
                state.since = time.monotonic()

    def end(self) -> None:
        """Let every run end, wherever it is."""
        self._ended = True
        for event in self._may_start:
            event.set()


def _plan(runs: int, turns: int, seed: int) -> Iterator[tuple[int, int]]:
    """Who has which turn, in order."""
    lots = random.Random(seed)
    for turn in range(turns + 1):
        for i in lots.sample(range(runs), runs):
            yield i, turn
