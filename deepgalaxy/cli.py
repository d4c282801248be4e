"""`deepgalaxy simulate`: the workload's own command, usable without the harness."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deepgalaxy import __version__
from deepgalaxy.console import Progress, clock
from deepgalaxy.errors import InputError, reports_input_errors


def parser() -> argparse.ArgumentParser:
    """The command line of `deepgalaxy`."""
    top = argparse.ArgumentParser(
        prog="deepgalaxy",
        description="Galaxy mergers and the networks that read them (Cai et al. 2020).",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    simulate = commands.add_parser(
        "simulate",
        help="simulate galaxy mergers and write their images as HDF5",
        description=(
            "Follow N-body galaxy mergers from approach to relaxed remnant (71 snapshots, 5 Myr apart), "
            "photograph each snapshot from 14 sides, and write one HDF5 file per resolution in the "
            "layout of the released DeepGalaxy files."
        ),
        epilog="example: deepgalaxy simulate --out data --resolution 128 --mergers s_1_m_1 s_0.5_m_0.25",
    )
    simulate.add_argument("--out", type=Path, default=Path("data"), metavar="DIR", help="folder of the files (data)")
    simulate.add_argument(
        "--mergers",
        nargs="+",
        default=["s_1_m_1", "s_0.75_m_0.5"],
        metavar="s_SIZE_m_MASS",
        help="size and mass of the second galaxy in units of the first (s_1_m_1 s_0.75_m_0.5)",
    )
    simulate.add_argument("--particles", type=int, default=10_000, help="of both galaxies together (10000)")
    simulate.add_argument(
        "--resolution", type=int, nargs="+", default=[128], metavar="PIXELS", help="edge of the images (128)"
    )
    simulate.add_argument("--snapshots", type=int, default=71, help="5 Myr apart, from the start (71)")
    simulate.add_argument("--time-step", type=float, default=0.5, metavar="MYR", help="of the integrator (0.5)")
    simulate.add_argument("--seed", type=int, default=0, help="of positions and velocities (0)")
    simulate.add_argument("--json", action="store_true", help="print the result as JSON")
    simulate.set_defaults(run=_simulate)
    return top


@reports_input_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the console script."""
    arguments = parser().parse_args(argv)
    return int(arguments.run(arguments))


def _simulate(arguments: argparse.Namespace) -> int:
    from deepgalaxy.data.layout import GROUP_NAME  # numba, galpy and scipy load with these
    from deepgalaxy.mergers.dataset import simulate
    from deepgalaxy.mergers.encounter import Encounter

    encounters = []
    for name in arguments.mergers:
        match = GROUP_NAME.fullmatch(name)
        if match is None:
            raise InputError(f"--mergers {name!r} is not of the form s_<size ratio>_m_<mass ratio>, e.g. s_1_m_0.5")
        encounters.append(
            Encounter(
                size_ratio=float(match["size"]),
                mass_ratio=float(match["mass"]),
                particles=arguments.particles,
                time_step_myr=arguments.time_step,
                seed=arguments.seed,
            )
        )
    began = time.monotonic()
    progress = Progress(len(encounters) * arguments.snapshots)
    paths = simulate(
        encounters,
        arguments.resolution,
        arguments.out,
        snapshots=arguments.snapshots,
        progress=lambda name, done, total: progress.update(done, f"snapshots  {name}"),
    )
    took = time.monotonic() - began
    progress.note(f"simulated {len(encounters)} mergers of {arguments.particles} particles in {clock(took)}")
    if arguments.json:
        print(json.dumps({"files": [str(p) for p in paths], "time_s": took}))
    else:
        print(*paths, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
