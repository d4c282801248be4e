"""Start and end the process that delays a lab's packets (`delay.py`)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from bench.lab.namespaces import PATH, entered
from deepgalaxy.errors import InputError

PROGRAM = Path(__file__).with_name("delay.py")
QUEUE_NUMBER = 0
IPTABLES = "iptables-legacy"
RULE = ("PREROUTING", "-i", "eth0", "-j", "NFQUEUE", "--queue-num", str(QUEUE_NUMBER), "--queue-bypass")
"""Every packet that comes to a host goes to the queue; where nobody reads it, it goes on at once."""


def start(delays_s: Mapping[str, float], folder: Path) -> None:
    """Delay what comes to each namespace from now on. folder: for its log

    Raises
    ------
    InputError: iptables is missing, or the kernel does not have what it takes
    """
    if not shutil.which(IPTABLES, path=PATH):
        raise InputError(f"not installed: {IPTABLES}, which delays need (Debian: iptables; tools/lab.sh installs it)")
    for namespace in delays_s:
        with entered(namespace):
            for change in (("-F", "PREROUTING"), ("-A", *RULE)):
                command = [IPTABLES, "-w", "-t", "raw", *change]
                done = subprocess.run(command, env={"PATH": PATH}, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise InputError(f"links can't be delayed here: {done.stderr.strip()}")
    log = folder / "delay.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM), str(QUEUE_NUMBER), *(f"{n}={s}" for n, s in delays_s.items())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        said = log.read_text().strip().splitlines()
        raise InputError(f"links can't be delayed here: {said[-1] if said else 'the process has ended'}")


def running(prefix: str) -> list[psutil.Process]:
    """The processes that delay packets of this lab: its prefix is in their arguments, and in nobody else's."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        told = process.info["cmdline"] or []
        if str(PROGRAM) in told and any(word.startswith(f"{prefix}-") for word in told):
            found.append(process)
    return found


def end(prefix: str) -> None:
    """End them."""
    for process in running(prefix):
        with suppress(psutil.NoSuchProcess):
            process.kill()
            process.wait(5)
