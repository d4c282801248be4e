"""`dgbench peers`: this suite's training beside what a user could run instead."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from bench.campaign.site import load_site
from deepgalaxy.errors import InputError

CASES = ("EfficientNetB4:256:8:1:2", "EfficientNetB0:128:8:1:2", "EfficientNetB4:256:8:2:1", "EfficientNetB0:128:8:2:1")
"""Two networks, each on one process of two cores and on two ranks of one."""


def add(commands: Any) -> None:
    """Describe the command."""
    peers = commands.add_parser(
        "peers",
        help="how much faster this suite trains than Horovod's synthetic benchmark or Keras's fit would",
        description=(
            "Train the same network in three ways: this suite with its data pipeline and settings; a plain "
            "tf.function with Horovod's gradient tape on one random batch, as Horovod's synthetic benchmark does; "
            "Keras's fit with Horovod's optimizer and the data in memory, as the original DeepGalaxy does. The latter "
            "two are started by horovodrun and have default settings. Ours is launched together with each of them, "
            "and the two take turns of a few steps. Print how many times faster ours is, with 95% intervals over "
            "launches. A second call does what is missing; measure again after a change with another --results."
        ),
        epilog="example: dgbench peers --cases EfficientNetB0:128:8:1:2 --launches 5",
    )
    peers.add_argument(
        "--cases",
        nargs="+",
        default=list(CASES),
        metavar="CASE",
        help=f"BACKBONE:RESOLUTION:BATCH:WORKERS:CORES, batch and cores of each worker ({' '.join(CASES)})",
    )
    peers.add_argument("--launches", type=int, default=3, help="of ours with each other way of a case, in all (3)")
    peers.add_argument("--steps", type=int, default=30, help="measured steps of each launch, in turns of 3 (30)")
    peers.add_argument("--data", help="HDF5 file of merger images (simulated when left out)")
    peers.add_argument("--site", default="local", help="name in jobs/sites, or a file (local)")
    peers.add_argument("--results", type=Path, metavar="DIR", help="folder of the results (results/peers)")
    peers.add_argument("--json", action="store_true", help="print the table as JSON")
    peers.set_defaults(run=_peers)


def _peers(arguments: argparse.Namespace) -> int:
    from bench.campaign.data import DataRequest
    from bench.peers import Case, measure_peers
    from bench.report.peers import readable, write
    from bench.store.results import Results

    if arguments.launches < 1:
        raise InputError(f"--launches {arguments.launches} is too small: 1 or more is allowed")
    results = Results(arguments.results or REPOSITORY / "results" / "peers")
    table = measure_peers(
        load_site(arguments.site),
        results,
        [Case.parse(text) for text in dict.fromkeys(arguments.cases)],
        launches=arguments.launches,
        steps=arguments.steps,
        data=DataRequest(file=arguments.data or ""),
    )
    files = write(table, results.folder)
    if arguments.json:
        print(table.to_json(orient="records", indent=1))
        return 0
    print(readable(table))
    print(*(f"wrote {path}" for path in files), sep="\n")
    return 0
