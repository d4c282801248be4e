"""`deepgalaxy simulate`: galaxy mergers as HDF5 files of images."""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepgalaxy.console import Progress, clock
from deepgalaxy.errors import InputError
from deepgalaxy.files import told_if_unwritable

if TYPE_CHECKING:
    from deepgalaxy.mergers.encounter import Encounter

GRID = "grid"


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "simulate",
        help="simulate galaxy mergers and write their images as HDF5",
        description=(
            "Follow N-body galaxy mergers from approach to relaxed remnant (71 snapshots, 5 Myr apart), "
            "photograph each snapshot from 14 sides, and write one HDF5 file per resolution in the "
            "layout of the released DeepGalaxy files. Each merger is simulated once: its stars are kept in "
            "DIR/simulations, and another resolution is rendered from there. Stopped half-way, the same command "
            "goes on with the mergers that are left."
        ),
        epilog=(
            "examples: deepgalaxy simulate --out data --resolution 128 --mergers s_1_m_1 s_0.5_m_0.25  |  "
            "all of the paper: deepgalaxy simulate --out data --mergers grid --particles 40000 --resolution 512"
        ),
    )
    option = parser.add_argument
    option("--out", type=Path, default=Path("data"), metavar="DIR", help="folder of the files (data)")
    option(
        "--mergers",
        nargs="+",
        default=["s_1_m_1", "s_0.75_m_0.5"],
        metavar="s_SIZE_m_MASS",
        help="size and mass of the second galaxy in units of the first (s_1_m_1 s_0.75_m_0.5), "
        "or `grid` for all 36 of the paper",
    )
    option("--particles", type=int, default=10_000, help="of both galaxies together (10000)")
    option("--resolution", type=int, nargs="+", default=[128], metavar="PIXELS", help="edge of the images (128)")
    option("--dtype", default="float32", metavar="TYPE", help="of the pixels: float32 in [0, 1], or uint8 (float32)")
    option("--gallery", type=Path, metavar="PNG", help="also draw classes 0, 10, ... 70 of up to 6 of the mergers")
    option("--workers", type=int, metavar="N", help="mergers simulated at a time (one per core)")
    option("--snapshots", type=int, default=71, help="5 Myr apart, from the start (71)")
    option("--time-step", type=float, metavar="MYR", help="of the integrator (from the densest places)")
    option("--seed", type=int, default=0, help="of positions and velocities (0)")
    orbit = parser.add_argument_group("orbit")
    orbit.add_argument(
        "--inclinations", type=float, nargs=2, default=[15.0, 60.0], metavar="DEG", help="of the two discs (15 60)"
    )
    orbit.add_argument(
        "--pericentre", type=float, default=3.0, metavar="KPC", help="impact parameter: closest pass of the orbit (3)"
    )
    orbit.add_argument("--separation", type=float, default=45.0, metavar="KPC", help="at the start (45)")
    orbit.add_argument(
        "--approach-speed", type=float, default=0.5, metavar="V", help="at the start, 1 for a parabolic orbit (0.5)"
    )
    orbit.add_argument("--bulge-mass", type=float, default=0.0, metavar="MSUN", help="of the first galaxy (0)")
    option("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Simulate, render, join, and say what was made."""
    from deepgalaxy.mergers import dataset, pool, simulation  # numba, galpy and scipy load with these
    from deepgalaxy.mergers.gallery import draw

    encounters = _encounters(arguments)
    workers = len(os.sched_getaffinity(0)) if arguments.workers is None else arguments.workers
    if workers < 1:
        raise InputError(f"--workers {workers} is less than 1")
    tasks = dataset.plan(
        encounters, arguments.resolution, arguments.out, snapshots=arguments.snapshots, dtype=arguments.dtype
    )
    with told_if_unwritable(arguments.out):  # before half a minute of compiling
        arguments.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    progress = Progress(len(tasks))
    shares: dict[str, float] = {}

    def report(name: str, share: float) -> None:
        shares[name] = share
        progress.update(sum(shares.values()), f"mergers  {name} {share:.0%}")

    timings = pool.perform_all(tasks, workers, report)
    paths = dataset.finish(tasks, arguments.out, arguments.resolution)
    took = time.monotonic() - began
    files = {e.group_name: dataset.simulation_file(arguments.out, e.group_name) for e in encounters}
    errors = {name: simulation.energy_error(path) for name, path in files.items()}
    if arguments.gallery:
        draw([simulation.read(path) for path in list(files.values())[:6]], list(files)[:6], arguments.gallery)
        paths.append(arguments.gallery)
    worst = max(errors, key=lambda name: errors[name])
    progress.note(
        f"{len(tasks)} mergers of {arguments.particles} particles done in {clock(took)}, "
        f"{len(encounters) - len(tasks)} were there; largest energy error {errors[worst]:.1e} ({worst})"
    )
    if arguments.json:
        files_made = [str(path) for path in paths]
        tasks_took = [timing._asdict() for timing in timings]
        print(json.dumps({"files": files_made, "time_s": took, "energy_error": errors, "tasks": tasks_took}))
    else:
        print(*paths, sep="\n")
    return 0


def _encounters(arguments: argparse.Namespace) -> list[Encounter]:
    from deepgalaxy.data.layout import GROUP_NAME
    from deepgalaxy.mergers.encounter import RATIOS, Encounter
    from deepgalaxy.mergers.galaxy import Galaxy

    if arguments.mergers == [GRID]:
        ratios = [(size, mass) for size in RATIOS for mass in RATIOS]
    else:
        ratios = []
        for name in arguments.mergers:
            match = GROUP_NAME.fullmatch(name)
            if match is None:
                raise InputError(
                    f"--mergers {name!r} is not of the form s_<size ratio>_m_<mass ratio>, e.g. s_1_m_0.5, nor `grid`"
                )
            ratios.append((float(match["size"]), float(match["mass"])))
    return [
        Encounter(
            size_ratio=size,
            mass_ratio=mass,
            particles=arguments.particles,
            time_step_myr=arguments.time_step,
            seed=arguments.seed,
            inclinations_deg=tuple(arguments.inclinations),
            pericentre_kpc=arguments.pericentre,
            separation_kpc=arguments.separation,
            approach_speed=arguments.approach_speed,
            galaxy=Galaxy(bulge_mass=arguments.bulge_mass),
        )
        for size, mass in ratios
    ]
