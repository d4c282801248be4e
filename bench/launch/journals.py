"""Follow what the ranks write while they run: heartbeat, phase and step of each."""

from __future__ import annotations

import json
import platform
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

JOURNAL = re.compile(r"rank-(\d+)\.steps\.jsonl")


@dataclass
class RankState:
    """The last that was heard of a rank. `since` is on the monotonic clock."""

    since: float
    phase: str = ""
    step: int = 0
    of: int = 0
    step_time_s: float = 0.0
    pid: int | None = None
    host: str = ""

    @property
    def dead(self) -> bool:
        """Its process, if it is on this machine, exists no more."""
        if self.pid is None or self.host != platform.node():
            return False
        try:
            return bool(psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return True


@dataclass
class Journals:
    """The journals of one run, read as they grow."""

    folder: Path
    ranks: dict[int, RankState] = field(default_factory=dict)
    _offsets: dict[int, int] = field(default_factory=dict)

    def read_on(self) -> None:
        """Take in what has come since the last call."""
        for path in self.folder.glob("rank-*.steps.jsonl"):
            match = JOURNAL.fullmatch(path.name)
            if match is None:
                continue
            rank = int(match[1])
            offset = self._offsets.get(rank, 0)
            if path.stat().st_size <= offset:
                continue
            with path.open("rb") as file:
                file.seek(offset)
                text = file.read()
            complete = text[: text.rfind(b"\n") + 1]
            self._offsets[rank] = offset + len(complete)
            state = self.ranks.setdefault(rank, RankState(time.monotonic()))
            for line in complete.splitlines():
                self._take(state, line)

    @staticmethod
    def _take(state: RankState, line: bytes) -> None:
        state.since = time.monotonic()
        try:
            entry = json.loads(line)
        except ValueError:  # a damaged line is no heartbeat to rely on, but no reason to end a run
            return
        if "step" in entry:
            state.step, state.of, state.step_time_s = entry["step"], entry["of"], entry["step_time_s"]
        else:
            state.phase, state.pid, state.host = entry["phase"], entry["pid"], entry["host"]

    @property
    def progress(self) -> str:
        """Where the slowest rank stands."""
        if not self.ranks:
            return "starting"
        slowest = min(self.ranks.values(), key=lambda s: s.step)
        return f"step {slowest.step}/{slowest.of}" if slowest.step else f"after {slowest.phase}"
