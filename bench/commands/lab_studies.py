"""`dgbench lab allreduce | validate`: what the lab's network does, and whether the projection foresees it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from bench.campaign.counts import parse_counts
from bench.commands.project import PROFILES
from bench.lab.network import MOST_HOSTS, Lab
from bench.lab.run import links_of
from bench.store.results import Results
from deepgalaxy.errors import InputError

Work = Callable[[argparse.Namespace], int]

VALIDATED = ("EfficientNetB4-512px-b2", "ResNet50-512px-b2")


def add(actions: Any) -> list[tuple[argparse.ArgumentParser, Work]]:
    """Describe the commands; returns each with what it does."""
    allreduce = actions.add_parser(
        "allreduce",
        help="times of real allreduces against the ideal ring",
        description=(
            "Sum a gradient on every count of hosts, at every rate and delay, by Horovod over Open MPI with the "
            "algorithm that it chooses, over its ring algorithm, and over Gloo. Writes allreduce.csv and allreduce.md; "
            "points that are there already are not measured again."
        ),
        epilog="example: dgbench lab allreduce --counts 2,4,8 --rate 1gbit --delay 0us,1ms",
    )
    allreduce.add_argument("--counts", default="2,4,8,16", help="of hosts (2,4,8,16)")
    allreduce.add_argument("--megabytes", type=float, default=8.0, metavar="MB", help="of the gradient (8)")
    allreduce.add_argument("--rounds", type=int, default=10, metavar="N", help="allreduces of each point (10)")
    allreduce.add_argument("--results", type=Path, metavar="DIR", help="folder of the results (results/lab-allreduce)")
    validate = actions.add_parser(
        "validate",
        help="the projection, calibrated on one and two hosts, against more",
        description=(
            "Run emulated training on 1, 2 and more hosts, at every rate and delay, over Open MPI's ring and over "
            "Gloo. Calibrate the projection on one and two hosts, and hold what it says of more against what they "
            "took. Writes validation.csv and validation.md; points that are there already are not measured again. A "
            "backbone on one network takes 3 to 6 minutes."
        ),
        epilog="example: dgbench lab validate --counts 4,8 --rate 200mbit --delay 0us,500us",
    )
    validate.add_argument("--counts", default="4,8,16", help="of hosts that are predicted (4,8,16)")
    validate.add_argument("--profiles", nargs="+", default=VALIDATED, metavar="NAME", help=f"({' '.join(VALIDATED)})")
    validate.add_argument("--steps", type=int, default=8, metavar="N", help="of each point, measured (8)")
    validate.add_argument("--results", type=Path, metavar="DIR", help="folder of the results (results/lab-validation)")
    for command, rates, delays in ((allreduce, "1gbit,100mbit", "0us,1ms"), (validate, "1gbit,200mbit", "0us,500us")):
        command.add_argument("--rate", default=rates, help=f"of links, both ways: 1gbit, ... or none ({rates})")
        command.add_argument("--delay", default=delays, help=f"from any host to any other: 50us, ... ({delays})")
    return [(allreduce, _allreduce), (validate, _validate)]


def _counts(arguments: argparse.Namespace, least: int) -> list[int]:
    counts = parse_counts(arguments.counts, "--counts")
    if not least <= min(counts) <= max(counts) <= MOST_HOSTS:
        raise InputError(f"--counts {arguments.counts}: {least} to {MOST_HOSTS} hosts are allowed")
    return counts


def _allreduce(arguments: argparse.Namespace) -> int:
    from bench.lab import allreduce

    for name, smallest in (("rounds", 1), ("megabytes", 0.001)):
        if getattr(arguments, name) < smallest:
            raise InputError(f"--{name} {getattr(arguments, name)} is too small: {smallest} or more is allowed")
    wanted = allreduce.Wanted(
        counts=_counts(arguments, 1),
        links=links_of(arguments.rate, arguments.delay),
        payload_bytes=4 * int(arguments.megabytes * 250_000),
        rounds=arguments.rounds,
    )
    return _measured(allreduce, wanted, arguments, "lab-allreduce")


def _validate(arguments: argparse.Namespace) -> int:
    from bench.lab import validation

    if arguments.steps < 3:
        raise InputError(f"--steps {arguments.steps} is too small: 3 or more is allowed")
    profiles = [Path(name) if name.endswith(".json") else PROFILES / f"{name}.json" for name in arguments.profiles]
    if missing := [path for path in profiles if not path.is_file()]:
        raise InputError(f"--profiles: there is no {missing[0]}")
    wanted = validation.Wanted(
        counts=_counts(arguments, 3),
        links=links_of(arguments.rate, arguments.delay),
        profiles=profiles,
        steps=arguments.steps,
    )
    return _measured(validation, wanted, arguments, "lab-validation")


def _measured(study: Any, wanted: Any, arguments: argparse.Namespace, folder: str) -> int:
    """Run what is missing of a study on the lab, and print and write its table."""
    results = Results(arguments.results or REPOSITORY / "results" / folder)
    lab = Lab(arguments.lab)
    with lab.held():
        worst: int = study.measure(lab, wanted, results)
    text, files = study.write_table(results, wanted)
    print(text, *(f"wrote {path}" for path in files), sep="\n")
    return worst
