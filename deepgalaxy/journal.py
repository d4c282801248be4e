"""What a rank writes while it runs: phases and steps, as a heartbeat and for the record."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from deepgalaxy import probe


class Journal:
    """Phases and steps as they happen: times for the record, and a heartbeat for who watches."""

    def __init__(self, folder: Path, rank: int) -> None:
        self.folder = folder
        self.phase_time_s: dict[str, float] = {}
        self.memory = [probe.memory("start")]
        self._last = time.time() - probe.age_s()
        self._file = (folder / f"rank-{rank:05d}.steps.jsonl").open("w", buffering=1)
        self.timeline = folder / f"rank-{rank:05d}.timeline.json"
        self.phase("start")

    def phase(self, name: str) -> None:
        """The phase `name` has ended now."""
        now = time.time()
        self.phase_time_s[name] = now - self._last
        self._last = now
        self.memory.append(probe.memory(name))
        self._write({"phase": name, "pid": os.getpid(), "host": platform.node()})

    def step(self, number: int, of: int, step_time_s: float) -> None:
        """Step `number` of all (warm-up first) is done."""
        self._write({"step": number, "of": of, "step_time_s": step_time_s})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
