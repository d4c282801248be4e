"""`dgbench compare-sites`: which of several sites' settings train fastest here."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from bench.campaign.site import load_site
from deepgalaxy.errors import InputError


def add(commands: Any) -> None:
    """Describe the command."""
    compare = commands.add_parser(
        "compare-sites",
        help="which of several site files' settings train fastest on this machine, in turns",
        description=(
            "Train the same network as several site files say, each under a name of its own: they may differ in their "
            "[runtime] table, environment or launcher. All are launched together and take turns of a few steps, so "
            "that whatever the machine does hits all alike. Print how many times as fast as the first each of them "
            "is, with 95% intervals over launches (over turns, where there is one launch). A second call does what "
            "is missing; measure again after a change with another --results."
        ),
        epilog="example: dgbench compare-sites local mine.toml --launches 3",
    )
    option = compare.add_argument
    option(
        "sites", nargs="+", metavar="SITE", help="names in jobs/sites, or files; the first is the measure of the others"
    )
    option("--backbone", default="EfficientNetB0", help="(EfficientNetB0)")
    option("--resolution", type=int, default=128, help="pixels (128)")
    option("--batch-size", type=int, default=8, help="images per rank and step (8)")
    option("--workers", type=int, help="ranks (a slot each of the first site)")
    option("--launches", type=int, default=2, help="of each, in all (2)")
    option("--steps", type=int, default=60, help="measured steps of each launch, in turns of 3 (60)")
    option("--data", help="HDF5 file of merger images (simulated when left out)")
    option("--results", type=Path, metavar="DIR", help="folder of the results (results/compare-sites)")
    option("--json", action="store_true", help="print the table as JSON")
    compare.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    from bench.campaign.data import DataRequest
    from bench.compare_sites import measure_sites, ways
    from bench.store.results import Results

    if arguments.launches < 1:
        raise InputError(f"--launches {arguments.launches} is too small: 1 or more is allowed")
    data = DataRequest(file=arguments.data or "")
    point = {name: getattr(arguments, name) for name in ("backbone", "resolution", "batch_size", "workers")}
    table = measure_sites(
        ways([load_site(site) for site in arguments.sites], data, arguments.steps, **point),
        data,
        Results(arguments.results or REPOSITORY / "results" / "compare-sites"),
        arguments.launches,
    )
    print(table.to_json(orient="records", indent=1) if arguments.json else table.round(3).to_markdown(index=False))
    return 0
