"""Runs one command and sees that none of its processes outlives it: `python guard.py COMMAND ...`.

It ends when the command ends, or when its standard input closes, which happens when the
harness stops the run and also when the harness dies in whatever way. Then every process that
came of the command, also those that left its process group, is asked to end, and killed
`GRACE_S` later. Standard library only: it starts in milliseconds and sleeps all the while.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_S = 5.0
NOT_FOUND_EXIT_CODE = 127


def main(command: list[str]) -> int:
    """Exit code of the command; 128 + signal for one that a signal ended, as shells do."""
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1)  # orphans become ours, so none escapes
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the harness decides, through standard input
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return NOT_FOUND_EXIT_CODE
    poll = select.poll()
    ended = os.pidfd_open(child.pid)
    for descriptor in (ended, sys.stdin.fileno()):
        poll.register(descriptor, select.POLLIN | select.POLLHUP)
    poll.poll()
    end_descendants()
    code = child.wait()
    return code if code >= 0 else 128 - code


def end_descendants() -> None:
    """SIGTERM to all, SIGKILL to those that are left after the grace."""
    deadline = time.monotonic() + GRACE_S
    for pid in descendants():
        _send(pid, signal.SIGTERM)
    while living := descendants():
        if time.monotonic() > deadline:
            for pid in living:
                _send(pid, signal.SIGKILL)
        time.sleep(0.05)


def descendants() -> list[int]:
    """All living processes below this one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it ended in between
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    parents[int(entry.name)] = int(parent)
    found: list[int] = []
    level = {os.getpid()}
    while level:
        level = {pid for pid, parent in parents.items() if parent in level}
        found += level
    return found


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
