"""Processes that attend to a lab while it is up: found by their arguments, which name the lab as nobody else's do."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

DELAY = str(Path(__file__).with_name("delay.py"))
SLURM = "bench.lab.slurm.keeper"
PATIENCE_S = 30.0


def running(what: str, prefix: str) -> list[psutil.Process]:
    """Those of a kind, `DELAY` or `SLURM`, that attend to the lab whose namespaces have this prefix."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        told = process.info["cmdline"] or []
        if what in told and any(word.startswith(f"{prefix}-") for word in told):
            found.append(process)
    return found


def end(what: str, prefix: str) -> None:
    """Ask them to end, and kill those that do not."""
    for process in running(what, prefix):
        with suppress(psutil.NoSuchProcess):
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except psutil.TimeoutExpired:
                process.kill()
