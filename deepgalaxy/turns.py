"""Runs that share a machine by turns, the rank's side: between turns it waits until it is given the next.

Whoever launched the runs (`bench.launch.turns`) writes into each one's folder how many turns it has been given.
"""

from __future__ import annotations

import time
from pathlib import Path

from deepgalaxy.files import replacing
from deepgalaxy.spec import RunSpec

LOOK_S = 0.002
"""Between two looks at the file, by a rank that waits: ranks of one run start a turn that close to one another."""

FILE = "turns"


class Turns:
    """A rank's turns: `spec.turn_steps` measured steps each, after the warm-up. Without turns nothing waits."""

    def __init__(self, folder: Path, spec: RunSpec) -> None:
        self._file = folder / FILE
        self._warmup, self._steps, self._each = spec.warmup_steps, spec.steps, spec.turn_steps

    @property
    def taken(self) -> bool:
        """Whether this run takes turns at all."""
        return self._each > 0

    def wait(self, done: int) -> None:
        """Return once the step after `done` steps, warm-up included, may begin."""
        measured = done - self._warmup
        if not self.taken or not 0 <= measured < self._steps or measured % self._each:
            return
        while granted(self._file.parent) <= measured // self._each:
            time.sleep(LOOK_S)


def granted(folder: Path) -> int:
    """How many turns the run in that folder has been given so far."""
    try:
        return int((folder / FILE).read_text())
    except FileNotFoundError:
        return 0


def grant(folder: Path, turns: int) -> None:
    """Let the run in that folder go on to the end of so many turns."""
    with replacing(folder / FILE) as partial:
        partial.write_text(str(turns))
