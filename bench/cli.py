"""`dgbench`: plan, run, submit and follow campaigns, and what there is beside them."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence

import msgspec

from bench.campaign.campaign import load_campaign, shipped
from bench.campaign.site import load_site
from bench.commands import (
    calibrate,
    campaigns,
    compare_sites,
    exchange,
    gate,
    jobs,
    lab,
    memory,
    peers,
    profile,
    project,
    studies,
    tune_runtime,
)
from deepgalaxy import __version__
from deepgalaxy.environment import surroundings
from deepgalaxy.errors import reports_input_errors

INTERRUPTED_EXIT_CODE = 130


def parser() -> argparse.ArgumentParser:
    """The command line of `dgbench`."""
    top = argparse.ArgumentParser(
        prog="dgbench", description="Scaling benchmarks of DeepGalaxy: throughput, speedup, efficiency, memory."
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    campaigns.add(commands)
    jobs.add(commands)
    gate.add(commands)
    memory.add(commands)
    studies.add(commands)
    peers.add(commands)
    compare_sites.add(commands)
    calibrate.add(commands)
    profile.add(commands)
    tune_runtime.add(commands)
    lab.add(commands)
    exchange.add(commands)
    project.add(commands)
    listed = commands.add_parser("list", help="campaigns and sites that come with the suite")
    listed.add_argument("--json", action="store_true", help="print as JSON")
    listed.set_defaults(run=_list)
    env = commands.add_parser("env", help="what is recorded of this machine and software with every run")
    env.add_argument("--json", action="store_true", help="print as JSON")
    env.set_defaults(run=_env)
    return top


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script.

    Exit codes: 0 all points ended well, 1 some did not, 2 wrong input, 130 interrupted.
    """
    arguments = parser().parse_args(argv)
    # A batch system's wish ends a run as Ctrl-C does, also where a shell has background processes ignore that.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        campaign = arguments.command in ("run", "resume")
        print("interrupted;", "`dgbench resume` goes on" if campaign else "what has ended is kept", file=sys.stderr)
        return INTERRUPTED_EXIT_CODE


def _env(arguments: argparse.Namespace) -> int:
    facts = surroundings()
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(facts), indent=1).decode())
        return 0
    for name, fact in facts.items():
        print(f"{name:32} {fact if isinstance(fact, str) else msgspec.json.encode(fact).decode()}")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    found = {kind: [path.stem for path in shipped(kind)] for kind in ("campaigns", "sites")}
    if arguments.json:
        print(msgspec.json.encode(found).decode())
        return 0
    for name in found["campaigns"]:
        print(f"campaign {name}: {load_campaign(name).question}")
    for name in found["sites"]:
        print(f"site {name}: {load_site(name).description}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
