"""Processes that attend to a lab while it is up: found by their arguments, which name the lab as nobody else's do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from bench import REPOSITORY
from deepgalaxy.errors import InputError

DELAY = str(Path(__file__).with_name("delay.py"))
SLURM = "bench.lab.slurm.keeper"
PATIENCE_S = 30.0


def start(arguments: Sequence[str], log: Path, what_for: str) -> None:
    """Start one with Python's `arguments` in a session of its own, and return when it says that it is ready.

    Raises
    ------
    InputError: it has ended instead; its last words are in the message, after `what_for`
    """
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        said = log.read_text().strip().splitlines()
        raise InputError(f"{what_for}: {said[-1] if said else 'the process has ended'}")


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
