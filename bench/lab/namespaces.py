"""Network namespaces: made, entered, emptied and removed, and only ever one's own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from deepgalaxy.errors import InputError, first_line

NAMED = Path("/run/netns")
PROGRAMS = ("ip", "tc", "unshare", "mount", "hostname")
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
END_S = 2.0


def why_not() -> str:
    """Why no namespaces can be made here; empty when they can."""
    if os.geteuid() != 0:
        return "a lab of network namespaces needs root"
    missing = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: iproute2; tools/lab.sh installs it)"
    # Rights, and what the kernel has: trying is the only way to know.
    tried = subprocess.run(
        [
            "unshare",
            "--net",
            "--uts",
            "--mount",
            "ip",
            "link",
            "add",
            "name",
            "v0",
            "type",
            "veth",
            "peer",
            "name",
            "v1",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": PATH},
    )
    if tried.returncode:
        return f"network namespaces are not permitted here: {first_line(InputError(tried.stderr.strip()))}"
    return ""


def identity(name: str) -> int | None:
    """The inode of a named namespace, by which it differs from all that are alive; None where there is none."""
    with contextlib.suppress(OSError):
        return (NAMED / name).stat().st_ino
    return None


def ip(*tokens: str, lines: Sequence[Sequence[str]] = (), inside: str = "", program: str = "ip") -> None:
    """Run `ip` (or `tc`): one command, or a batch of `lines`; `inside` a namespace.

    Raises
    ------
    InputError: it complained; its first line is the message
    """
    command = [program, *(["-n", inside] if inside else []), *tokens, *(["-batch", "-"] if lines else [])]
    text = "".join(" ".join(line) + "\n" for line in lines)
    done = subprocess.run(command, input=text, capture_output=True, text=True, env={"PATH": PATH}, check=False)
    if done.returncode:
        told = first_line(InputError(done.stderr)).removeprefix("Error: ")
        raise InputError(f"{' '.join(command)}: {told}")


@contextlib.contextmanager
def entered(name: str) -> Iterator[None]:
    """This thread, and what it starts meanwhile, in a namespace's network."""
    with (NAMED / name).open() as there, Path("/proc/thread-self/ns/net").open() as here:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(here.fileno())


def processes(inodes: set[int]) -> list[int]:
    """All processes whose network is one of these namespaces'."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it ended in between
                if (entry / "ns" / "net").stat().st_ino in inodes:
                    found.append(int(entry.name))
    return found


def kill_all(inodes: set[int], *, gently: bool = True) -> None:
    """End all processes in these namespaces; kill those that have not ended after `END_S`, or all at once."""
    deadline = time.monotonic() + (END_S if gently else 0.0)
    number = signal.SIGTERM if gently else signal.SIGKILL
    told: set[int] = set()
    while living := processes(inodes):
        if time.monotonic() > deadline:
            number, told = signal.SIGKILL, set()
        for pid in set(living) - told:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            told.add(pid)
        time.sleep(0.02)


def _enter(descriptor: int) -> None:
    clone_newnet = 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, clone_newnet):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
