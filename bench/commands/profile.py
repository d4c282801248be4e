"""`dgbench profile`: what bounds a step, and what goes before the first one."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench import REPOSITORY
from bench.campaign.campaign import WHOLE_NODE
from bench.campaign.site import load_site
from bench.commands.common import SOME_FAILED_EXIT_CODE
from deepgalaxy.errors import InputError
from deepgalaxy.words import Engine, Outcome, Precision


def add(commands: Any) -> None:
    """Describe the command."""
    profile = commands.add_parser(
        "profile",
        help="what bounds a step: time, share, FLOP/s and bytes/s by operator; and the time to the first step",
        description=(
            "Launch one point on this machine and run some of its steps under TensorFlow's profiler. Print what each "
            "type of operation takes, how fast its arithmetic is where it is a product, and how many bytes a second it "
            "moves, counting inputs and outputs once each; and by phase what went before the first step."
        ),
        epilog="example: dgbench profile EfficientNetB0 --resolution 128 --batch-size 8 --mode infer",
    )
    option = profile.add_argument
    option("backbone", help="e.g. EfficientNetB4")
    option("--resolution", type=int, default=128, help="pixels (128)")
    option("--batch-size", type=int, default=8, help="images per rank and step (8)")
    option("--mode", choices=["train", "infer"], default="train", help="(train)")
    option("--precision", choices=[x.value for x in Precision], default="fp32", help="(fp32)")
    option("--engine", choices=[x.value for x in Engine], default="tensorflow", help="(tensorflow)")
    option("--runtime", choices=["tuned", "stock"], default="tuned", help="settings of the ranks' processes (tuned)")
    option("--workers", type=int, default=1, help="ranks; the operators are those of rank 0 (1)")
    option("--cores-per-worker", type=int, help="(all of a node)")
    option("--steps", type=int, default=4, help="under the profiler, after 8 without it (4)")
    option("--top", type=int, default=25, help="rows shown; the files hold all (25)")
    option("--data", help="HDF5 file of merger images (simulated when left out)")
    option("--site", default="local", help="name in jobs/sites, or a file (local)")
    option("--results", type=Path, metavar="DIR", help="folder of the results (results/profile)")
    option("--json", action="store_true", help="print as JSON")
    profile.set_defaults(run=_profile)


def _profile(arguments: argparse.Namespace) -> int:
    from bench.analysis.operators import first_step_table, operator_table, step_facts
    from bench.campaign.campaign import make_spec
    from bench.campaign.data import DataRequest
    from bench.execute import Terms, measure
    from bench.report import operators
    from bench.store.results import Results

    for name in ("steps", "top"):
        if getattr(arguments, name) < 1:
            raise InputError(f"--{name} {getattr(arguments, name)} is too small: 1 or more is allowed")
    site = load_site(arguments.site)
    data = DataRequest(file=arguments.data or "")
    names = ("backbone", "resolution", "batch_size", "mode", "precision", "engine", "runtime", "workers")
    spec = make_spec(
        site,
        data,
        **{name: getattr(arguments, name) for name in names},
        cores_per_worker=arguments.cores_per_worker or WHOLE_NODE,
        steps=8,
        operator_steps=arguments.steps,
        learning_rate=1.0,
    )
    if reason := site.why_not(spec):
        raise InputError(reason)
    results = Results(arguments.results or REPOSITORY / "results" / "profile")
    (record,) = measure([spec], site, results, data, Terms(force=True))
    if record.outcome is not Outcome.OK:
        return SOME_FAILED_EXIT_CODE
    facts, table, phases = step_facts(record), operator_table(record), first_step_table(record)
    files = operators.write(facts, table, phases, results.folder)
    if arguments.json:
        told = {"step": facts, "operators": _rows(table), "first_step": _rows(phases)}
        print(json.dumps(told, indent=1))
        return 0
    print(operators.readable(facts, table, phases, arguments.top))
    print(*(f"wrote {path}" for path in files), sep="\n")
    return 0


def _rows(table: Any) -> Any:
    return json.loads(table.to_json(orient="records"))
