"""Start the process that delays a lab's packets (`delay.py`)."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.lab import attendants
from bench.lab.attendants import DELAY
from bench.lab.namespaces import PATH, entered
from deepgalaxy.errors import InputError

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
    named = [f"{namespace}={delay}" for namespace, delay in delays_s.items()]
    attendants.start(["-I", DELAY, str(QUEUE_NUMBER), *named], folder / "delay.log", "links can't be delayed here")
