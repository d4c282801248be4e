"""What a cluster needs of the machine: ports, processes and their ends, and patience."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Value = TypeVar("Value")


class SlurmError(Exception):
    """Slurm did not start, or did not do what it was asked for."""


def until(condition: Callable[[], Value], timeout: float, complaint: str, every: float = 0.05) -> Value:
    """What the condition gives once it is true; an error when that takes too long."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise SlurmError(f"{complaint} after {timeout:g} s")
        time.sleep(every)
    return value


def free_ports(first: int, count: int) -> int:
    """The first of so many free ports in a row."""
    for start in range(first, 32768 - count, count):
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for port in range(start, start + count):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return start
    raise SlurmError(f"no {count} free ports in a row from {first} on")


def listens(port: int) -> bool:
    """Whether a server takes connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def namespace(pid: int) -> int | None:
    """The number of the namespace that a process has its host name in; None when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/ns/uts").stat().st_ino
    return None


def end(daemon: subprocess.Popen[bytes]) -> None:
    """Ask it to end; kill it when it does not."""
    daemon.terminate()
    try:
        daemon.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def kill_all_in(namespaces: list[int]) -> None:
    """Kill whatever is left in namespaces, given as open files."""
    numbers = {os.fstat(opened).st_ino for opened in namespaces}

    def none_left() -> bool:
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
        left = [pid for pid in pids if namespace(pid) in numbers]
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not left

    until(none_left, 5, "processes of nodes can't be killed")
