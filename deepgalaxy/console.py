"""Progress on long work: one line that rewrites itself on a terminal, sparse lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TextIO


class Progress:
    """Progress of work with a known number of parts, and the time left at the pace so far.

    On a terminal the line is redrawn at most twice a second; elsewhere (a log) every 30 s. All but
    one of several ranks are `quiet`.
    """

    def __init__(self, total: int, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._total = total
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._interval_s = 0.5 if self._live else 30.0
        self._began = time.monotonic()
        self._drawn = self._began if not self._live else 0.0
        self._width = 0

    def update(self, done: float, what: str) -> None:
        """`done` of the parts are complete, and `what` is going on."""
        now = time.monotonic()
        if self._quiet or (now - self._drawn < self._interval_s and done < self._total):
            return
        self._drawn = now
        left = (now - self._began) * (self._total - done) / done if done > 0 else None
        text = f"{done:.0f}/{self._total}  {what}" + (f"  {clock(left)} left" if left else "")
        if self._live:
            self._stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def note(self, text: str) -> None:
        """A line that stays."""
        if self._quiet:
            return
        if self._live:
            self._stream.write("\r" + " " * self._width + "\r")
        self._stream.write(text + "\n")
        self._stream.flush()


def clock(seconds: float) -> str:
    """Minutes and seconds, e.g. `3:07`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
