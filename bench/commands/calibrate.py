"""`dgbench calibrate`: what a projection must know of this machine, measured in minutes."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from bench.campaign.site import load_site
from deepgalaxy.errors import InputError


def add(commands: Any) -> None:
    """Describe the command."""
    parser = commands.add_parser(
        "calibrate",
        help="measure a step of one worker and exchanges of two, for projections of this very machine",
        description=(
            "Train a few steps on one worker and on two (on a node each, where the site or allocation has several), "
            "time sums of messages from 4 bytes to 16 MB on both, by Horovod and by MPI alone, and what an exchange "
            "takes from the computing beside it; two workers on one node also train side by side without exchange, for "
            "what sharing it costs. Profile when in the backward pass gradients become ready. Writes all of it, raw, "
            "to a file for `dgbench project --calibration`. Takes minutes."
        ),
        epilog="example: dgbench calibrate --out here.json && dgbench project --calibration here.json --workers 1:64",
    )
    option = parser.add_argument
    option("--backbone", default="EfficientNetB0", help="(EfficientNetB0)")
    option("--resolution", type=int, default=128, help="pixels (128)")
    option("--batch-size", type=int, default=8, help="images of a worker and step (8)")
    option("--steps", type=int, default=30, help="measured steps (30)")
    option("--rounds", type=int, default=20, help="exchanges of each size (20)")
    option("--launches", type=int, default=1, help="of each, in turn: on a shared machine one says little (1)")
    option("--site", default="local", help="name in jobs/sites, or a file (local)")
    option("--hostfile", type=Path, metavar="FILE", help="nodes to run on (those of the Slurm allocation around)")
    option("--results", type=Path, metavar="DIR", help="folder of the runs (results/calibration)")
    option("--out", type=Path, metavar="JSON", help="the calibration's file (DIR/calibration.json)")
    option("--json", action="store_true", help="print what follows from it as JSON")
    parser.set_defaults(run=_calibrate)


def _calibrate(arguments: argparse.Namespace) -> int:
    from bench.calibrate import Wanted, calibrate
    from bench.launch.allocation import find
    from bench.projection.inputs import summary_of
    from bench.store.calibration import write_calibration
    from bench.store.results import Results

    for name, smallest in (("steps", 8), ("rounds", 3), ("launches", 1)):
        if getattr(arguments, name) < smallest:
            raise InputError(f"--{name} {getattr(arguments, name)} is too small: {smallest} or more is allowed")
    results = Results(arguments.results or REPOSITORY / "results" / "calibration")
    out = arguments.out or results.folder / "calibration.json"
    if not out.parent.is_dir() and arguments.out:
        raise InputError(f"--out {out}: there is no folder {out.parent}")
    allocation = find(os.environ, arguments.hostfile)
    wanted = Wanted(
        backbone=arguments.backbone,
        resolution=arguments.resolution,
        batch_size=arguments.batch_size,
        steps=arguments.steps,
        rounds=arguments.rounds,
        launches=arguments.launches,
    )
    calibration = calibrate(allocation.narrowed(load_site(arguments.site)), results, wanted, allocation)
    write_calibration(calibration, out)
    told = summary_of(calibration)
    if arguments.json:
        print(json.dumps(told, indent=1))
    else:
        for name, value in told.items():
            print(f"{name:<24} {value if isinstance(value, str) else format(value, '.4g')}")
        print(f"wrote {out}")
    return 0
