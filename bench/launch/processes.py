"""Ranks without a launcher: `python processes.py N COMMAND ...` runs N of it, each told its number.

It ends when all have ended, or as soon as one ends badly: then the others are asked to end, and its exit
code is this one's. Standard library only: it starts in milliseconds, and sleeps all the while.
"""

from __future__ import annotations

import os
import subprocess
import sys


def main(count: int, command: list[str]) -> int:
    """The first exit code that is not 0, if any."""
    ranks: dict[int, subprocess.Popen[bytes]] = {}
    for rank in range(count):
        numbers = {"PMI_RANK": rank, "PMI_SIZE": count, "MPI_LOCALRANKID": rank, "MPI_LOCALNRANKS": count}
        told = {name: str(number) for name, number in numbers.items()} if count > 1 else {}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=os.environ | told)
        ranks[process.pid] = process
    failed = 0
    while ranks:
        pid, status = os.wait()
        process = ranks.pop(pid)
        code = os.waitstatus_to_exitcode(status)
        process.returncode = code
        if code and not failed:
            failed = code if code > 0 else 128 - code
            print(f"process {pid} ended with exit code {code}", file=sys.stderr)
            for other in ranks.values():
                other.terminate()
    return failed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
