"""`deepgalaxy`: the workload's own commands, usable without the harness."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from deepgalaxy import __version__
from deepgalaxy.commands import images, index, infer, info, profile, search, simulate, train, tune
from deepgalaxy.errors import reports_input_errors


def parser() -> argparse.ArgumentParser:
    """The command line of `deepgalaxy`."""
    top = argparse.ArgumentParser(
        prog="deepgalaxy",
        description="Galaxy mergers and the networks that read them (Cai et al. 2020).",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (simulate, images, train, tune, infer, index, search, info, profile):
        command.add(commands)
    return top


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script."""
    arguments = parser().parse_args(argv)
    return int(arguments.run(arguments))


if __name__ == "__main__":
    sys.exit(main())
