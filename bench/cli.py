"""`dgbench`: plan, run, submit and follow campaigns, and what there is beside them."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench import REPOSITORY
from bench.campaign.campaign import load_campaign, shipped
from bench.campaign.site import load_site
from bench.commands import campaigns, gate, jobs, memory
from bench.commands.common import SOME_FAILED_EXIT_CODE
from deepgalaxy import __version__
from deepgalaxy.errors import InputError, reports_input_errors
from deepgalaxy.words import Outcome

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
    overhead = commands.add_parser(
        "overhead",
        help="what keeps N ranks on this machine from N times the speed of one",
        description=(
            "Train with one rank, with a rank on every slot, with plain `horovodrun --gloo` at its defaults, and with "
            "independent processes that exchange nothing (the bound), in turn; print efficiencies with intervals. "
            "Run it again to add launches."
        ),
        epilog="example: dgbench overhead --rounds 3",
    )
    overhead.add_argument("--backbone", default="EfficientNetB0", help="(EfficientNetB0)")
    overhead.add_argument("--resolution", type=int, default=128, help="pixels (128)")
    overhead.add_argument("--batch-size", type=int, default=8, help="images per rank and step (8)")
    overhead.add_argument("--steps", type=int, default=24, help="measured steps of each launch (24)")
    overhead.add_argument("--rounds", type=int, default=3, help="launches of each way (3)")
    overhead.add_argument("--site", default="local", help="name in jobs/sites, or a file (local)")
    overhead.add_argument("--results", type=Path, metavar="DIR", help="folder of the results (results/overhead)")
    overhead.add_argument("--json", action="store_true", help="print the table as JSON")
    overhead.set_defaults(run=_overhead)
    versus = commands.add_parser(
        "versus-simulation",
        help="how much faster inference is than the simulation of the merger that it dates",
        description=(
            "Simulate one merger at each particle number on all cores, give its images to the network one at a time "
            "on the same cores, and print the ratio of the times (paper, III.D), the published one beside it."
        ),
        epilog="example: dgbench versus-simulation --particles 10000 40000 --backbone EfficientNetB4 --resolution 512",
    )
    versus.add_argument("--particles", type=int, nargs="+", default=[10_000, 40_000], metavar="N", help="(10000 40000)")
    versus.add_argument("--backbone", default="EfficientNetB4", help="(EfficientNetB4)")
    versus.add_argument("--resolution", type=int, default=512, help="pixels (512)")
    versus.add_argument("--model", default="", metavar="KERAS", help="a trained model instead of random weights")
    versus.add_argument(
        "--ways",
        nargs="+",
        default=["tensorflow:fp32", "itex:bf16-amp"],
        metavar="ENGINE:PRECISION",
        help="(tensorflow:fp32 itex:bf16-amp)",
    )
    versus.add_argument("--site", default="local", help="name in jobs/sites, or a file (local)")
    versus.add_argument("--results", type=Path, metavar="DIR", help="folder of the results (results/versus-simulation)")
    versus.add_argument("--json", action="store_true", help="print the table as JSON")
    versus.set_defaults(run=_versus)
    listed = commands.add_parser("list", help="campaigns and sites that come with the suite")
    listed.add_argument("--json", action="store_true", help="print as JSON")
    listed.set_defaults(run=_list)
    return top


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script.

    Exit codes: 0 all points ended well, 1 some did not, 2 wrong input, 130 interrupted.
    """
    arguments = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))  # a batch system's wish ends a run as Ctrl-C does
    try:
        return int(arguments.run(arguments))
    except KeyboardInterrupt:
        print("interrupted; `dgbench resume` goes on", file=sys.stderr)
        return INTERRUPTED_EXIT_CODE


def _overhead(arguments: argparse.Namespace) -> int:
    from bench.overhead import measure_overhead
    from bench.store.results import Results

    if arguments.rounds < 1:
        raise InputError(f"--rounds {arguments.rounds} is too small: 1 or more is allowed")
    table = measure_overhead(
        load_site(arguments.site),
        Results(arguments.results or REPOSITORY / "results" / "overhead"),
        backbone=arguments.backbone,
        resolution=arguments.resolution,
        batch_size=arguments.batch_size,
        steps=arguments.steps,
        rounds=arguments.rounds,
    )
    form = table.to_json(orient="records", indent=1) if arguments.json else table.round(3).to_markdown(index=False)
    print(form)
    return 0


def _versus(arguments: argparse.Namespace) -> int:
    from bench import versus_simulation
    from bench.store.results import Results

    ways = [tuple(way.split(":")) for way in arguments.ways]
    if any(len(way) != 2 for way in ways):
        raise InputError(f"--ways {' '.join(arguments.ways)}: each is an engine and a precision, e.g. tensorflow:fp32")
    if min(arguments.particles) < 200:
        raise InputError(f"--particles {min(arguments.particles)} is too small: 200 or more is allowed")
    results = Results(arguments.results or REPOSITORY / "results" / "versus-simulation")
    table = versus_simulation.measure_speed_up(
        load_site(arguments.site),
        results,
        arguments.particles,
        ways,
        backbone=arguments.backbone,
        resolution=arguments.resolution,
        model=arguments.model,
    )
    files = versus_simulation.write(table, results.folder)
    print(table.to_json(orient="records", indent=1) if arguments.json else versus_simulation.readable(table))
    if not arguments.json:
        print(*(f"wrote {path}" for path in files), sep="\n")
    return 0 if (table["outcome"].dropna() == Outcome.OK.value).all() else SOME_FAILED_EXIT_CODE


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
