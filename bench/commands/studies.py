"""`dgbench overhead | versus-simulation | gate-trial`: questions that are no campaign."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from bench.campaign.site import load_site
from bench.commands.common import SOME_FAILED_EXIT_CODE, effect_option
from deepgalaxy.errors import InputError
from deepgalaxy.words import Outcome


def add(commands: Any) -> None:
    """Describe the commands."""
    overhead = commands.add_parser(
        "overhead",
        help="what keeps N ranks on this machine from N times the speed of one",
        description=(
            "Train with one rank, with a rank on every slot, with independent processes that exchange nothing (the "
            "bound) and with such that wait for one another after every step, all launched together and taking turns "
            "of a few steps, and so again with one rank and plain `horovodrun --gloo` at its defaults; print "
            "efficiencies and shares of both bounds with intervals. Run it again to add launches."
        ),
        epilog="example: dgbench overhead --rounds 3",
    )
    overhead.add_argument("--backbone", default="EfficientNetB0", help="(EfficientNetB0)")
    overhead.add_argument("--resolution", type=int, default=128, help="pixels (128)")
    overhead.add_argument("--batch-size", type=int, default=8, help="images per rank and step (8)")
    overhead.add_argument("--steps", type=int, default=60, help="measured steps of each launch, in turns of 3 (60)")
    overhead.add_argument("--rounds", type=int, default=3, help="launches of each way; 0 shows what is there (3)")
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
    trial = commands.add_parser(
        "gate-trial",
        help="can the gate be trusted here: equal and slowed workers, and what it says of them",
        description=(
            "Launch real workers in groups, as a baseline and later checks would: the same code twice, and slowed by "
            "known shares. Print how often the gate says what: false alarms, slow-downs found. A second call goes on."
        ),
        epilog="example: dgbench gate-trial --trials 20 --launches 4 --slowed 0.1 0.03",
    )
    trial.add_argument("--trials", type=int, default=20, help="(20)")
    trial.add_argument("--launches", type=int, default=4, help="of each side of a comparison (4)")
    trial.add_argument("--slowed", type=float, nargs="*", default=[0.1, 0.03], metavar="SHARE", help="(0.1 0.03)")
    effect_option(trial)
    trial.add_argument("--backbone", default="Small", help="(Small)")
    trial.add_argument("--resolution", type=int, default=64, help="pixels (64)")
    trial.add_argument("--batch-size", type=int, default=8, help="images a step (8)")
    trial.add_argument("--steps", type=int, default=60, help="measured steps of each launch (60)")
    trial.add_argument("--site", default="local", help="name in jobs/sites, or a file (local)")
    trial.add_argument("--results", type=Path, metavar="DIR", help="folder of the results (results/gate-trial)")
    trial.add_argument("--json", action="store_true", help="print the table as JSON")
    trial.set_defaults(run=_trial)


def _overhead(arguments: argparse.Namespace) -> int:
    from bench.overhead import measure_overhead
    from bench.store.results import Results

    if arguments.rounds < 0:
        raise InputError(f"--rounds {arguments.rounds} is too small: 0 or more is allowed")
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


def _trial(arguments: argparse.Namespace) -> int:
    from bench.gate_trial import measure_trials, trial_spec

    for name, smallest in (("trials", 1), ("launches", 2)):
        if getattr(arguments, name) < smallest:
            raise InputError(f"--{name} {getattr(arguments, name)} is too small: {smallest} or more is allowed")
    for share in arguments.slowed:
        if not 0 < share < 1:
            raise InputError(f"--slowed {share} is outside 0 to 1")
    site = load_site(arguments.site)
    table = measure_trials(
        site,
        arguments.results or REPOSITORY / "results" / "gate-trial",
        trial_spec(site, arguments.backbone, arguments.resolution, arguments.batch_size, arguments.steps),
        trials=arguments.trials,
        launches=arguments.launches,
        slowdowns=arguments.slowed,
        effect=arguments.effect,
    )
    print(table.to_json(orient="records", indent=1) if arguments.json else table.round(3).to_markdown(index=False))
    return 0
