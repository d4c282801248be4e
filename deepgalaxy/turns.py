"""Runs that share a machine by turns, the rank's side: between turns it says that it waits, until it is given the next.

Whoever launched the runs (`bench.launch.turns`) made two things in each one's folder: a pipe into which a rank writes
its process number when it waits, and a file that says how many turns the run has been given.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from deepgalaxy.errors import InputError
from deepgalaxy.files import replacing
from deepgalaxy.spec import RunSpec

LOOK_S = 0.001
"""Between two looks at the file, by a rank that waits: ranks of one run start a turn that close to one another."""

PIPE = "waiting"
GIVEN = "turns"


class Turns:
    """A rank's turns: `spec.turn_steps` measured steps each, after the warm-up. Without turns nothing waits.

    Raises
    ------
    InputError: turns that nobody gives
    """

    def __init__(self, folder: Path, spec: RunSpec) -> None:
        self._folder = folder
        self._warmup, self._steps, self._each = spec.warmup_steps, spec.steps, spec.turn_steps
        if self.taken and not (folder / PIPE).exists():
            raise InputError(f"turn_steps {self._each}: nobody gives turns here; `dgbench peers` and others do")

    @property
    def taken(self) -> bool:
        """Whether this run takes turns at all."""
        return self._each > 0

    def wait(self, done: int) -> None:
        """Return once the step after `done` steps, warm-up included, may begin."""
        measured = done - self._warmup
        if not self.taken or not 0 <= measured < self._steps or measured % self._each:
            return
        with (self._folder / PIPE).open("w") as pipe:
            pipe.write(f"{os.getpid()}\n")
        while given(self._folder) <= measured // self._each:
            time.sleep(LOOK_S)


def given(folder: Path) -> int:
    """How many turns the run in that folder has been given so far."""
    try:
        return int((folder / GIVEN).read_text())
    except FileNotFoundError:
        return 0


def give(folder: Path, turns: int) -> None:
    """Let the run in that folder go on to the end of so many turns."""
    with replacing(folder / GIVEN) as partial:
        partial.write_text(str(turns))
