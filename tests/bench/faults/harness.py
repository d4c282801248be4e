"""`dgbench` with the worker that computes nothing: `python harness.py ARGUMENTS`."""

import sys
from pathlib import Path

from bench.launch import commands

FAKE = str(Path(__file__).with_name("worker.py"))


def command(spec, worker, environment, hosts):
    """A launcher that starts one process, whatever is asked for."""
    return [sys.executable, FAKE, *worker[-2:]]


if __name__ == "__main__":
    for launcher in commands.COMMANDS:
        commands.COMMANDS[launcher] = command
    commands.KEPT_NAMES = (*commands.KEPT_NAMES, "DG_FAULT", "PYTHONPATH")
    from bench.cli import main

    sys.exit(main(sys.argv[1:]))
