"""`dgbench validate | plan | run | resume | retry | report`: campaigns on the machine or allocation at hand."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import msgspec

from bench.campaign.campaign import expand, load_campaign, shipped
from bench.campaign.plan import Planned
from bench.campaign.site import Site, load_site
from bench.commands.common import (
    SOME_FAILED_EXIT_CODE,
    Sweep,
    asked_site,
    campaign_options,
    described,
    results_of,
    site_options,
)
from bench.commands.reporting import print_report
from bench.launch import allocation
from bench.launch.commands import COMMANDS, rank_environment, worker_command
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.words import Outcome, counted


def add(commands: Any) -> None:
    """Describe the commands."""
    validate = commands.add_parser(
        "validate",
        help="check campaign and site files",
        description="Check campaign and site files, given by name or path, and say what they hold.",
        epilog="example: dgbench validate jobs/campaigns/*.toml jobs/sites/*.toml",
    )
    validate.add_argument("files", nargs="*", metavar="FILE", help="names or files (all that ship)")
    validate.add_argument("--site", default="local", help="that the campaigns' points are made for (local)")
    validate.set_defaults(run=_validate)
    planned = commands.add_parser(
        "plan",
        help="what would run, what fits, how long it takes",
        description=(
            "List every point of a campaign on a site: launches left, nodes, expected minutes and what they follow "
            "from, and for those that can't run the reason; node-hours in all. Starts nothing."
        ),
        epilog="example: dgbench plan fig7 --site slurm-cpu",
    )
    campaign_options(planned)
    site_options(planned)
    planned.add_argument("--commands", action="store_true", help="print the command of each point as well")
    planned.set_defaults(run=_plan)
    run = commands.add_parser(
        "run",
        help="measure every point of a campaign, then report",
        description=(
            "Measure every point of a campaign, as many launches each as it says, and write table and figure. Run it "
            "again to add launches: intervals narrow. Points that do not fit the site are stored as skipped. Inside a "
            "Slurm allocation, or with --hostfile, the nodes there are used."
        ),
        epilog="example: dgbench run quick",
    )
    resume = commands.add_parser(
        "resume",
        help="go on with a campaign: only launches that are missing",
        description="Like `run`, but only launches that have not ended well yet. Nothing runs twice.",
        epilog="example: dgbench resume quick",
    )
    retry = commands.add_parser(
        "retry",
        help="run again the points that ended in some way",
        description="Like `resume`, but only points whose last launch ended in one of the outcomes named.",
        epilog="example: dgbench retry fig7 --outcome oom,timeout",
    )
    retry.add_argument("--outcome", required=True, metavar="LIST", help=f"of {', '.join(o.value for o in Outcome)}")
    for command in (run, resume):
        command.set_defaults(outcome="")
        command.add_argument(
            "--until-interval",
            type=float,
            metavar="SHARE",
            help="add launches until each throughput's 95%% interval is within this share, e.g. 0.05 (the campaign's)",
        )
    for command, resumes in ((run, False), (resume, True), (retry, True)):
        campaign_options(command)
        site_options(command)
        command.add_argument("--hostfile", type=Path, metavar="FILE", help="nodes to run on, one a line")
        command.set_defaults(run=_run, resume=resumes)
    run.add_argument("--resume", action="store_true", help="the same as `dgbench resume`")
    report = commands.add_parser(
        "report", help="tables, figures and the page again, from stored records", epilog="example: dgbench report quick"
    )
    campaign_options(report)
    report.add_argument("--site", default="local", help="that the campaign's points are made for (local)")
    report.add_argument("--mixed", action="store_true", help="join records of different machines or software as well")
    report.set_defaults(run=_report)


def _validate(arguments: argparse.Namespace) -> int:
    names = {kind: {path.stem for path in shipped(kind)} for kind in ("campaigns", "sites")}
    for name in arguments.files or [str(path) for kind in names for path in shipped(kind)]:
        if name in names["campaigns"] or "[[points]]" in _text(name):
            campaign = load_campaign(name)
            points = expand(campaign, load_site(arguments.site))
            print(f"{name}: campaign {campaign.name}, {len(points)} points: {campaign.question}")
        elif name in names["sites"] or name.endswith(".toml"):
            print(f"{name}: site {described(load_site(name))}")
        else:
            raise InputError(near_names("campaign or site", name, sorted(names["campaigns"] | names["sites"])))
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    sweep = Sweep.asked_for(arguments)
    planned = sweep.planned(force=arguments.force)
    hours = sum(p.node_hours for p in planned)
    if arguments.json:
        print(
            json.dumps({"site": sweep.site.name, "node_hours": hours, "points": [_told(p) for p in planned]}, indent=1)
        )
    else:
        for p in planned:
            print(_line(p))
            if arguments.commands and not p.why_not:
                print(f"    {shlex.join(_command(p, sweep.site))}")
        runs = [p for p in planned if not p.why_not and p.launches]
        print(
            f"{len(planned)} points on {described(sweep.site)}: {len(runs)} to run, "
            f"{sum(bool(p.why_not) for p in planned)} do not fit, about {hours:.1f} node-hours"
        )
    within_budget(sweep, planned)
    return 0


def within_budget(sweep: Sweep, planned: list[Planned]) -> None:
    """See to it that a plan costs no more than its campaign allows.

    Raises
    ------
    InputError: it does
    """
    hours, budget = sum(p.node_hours for p in planned), sweep.campaign.budget_node_hours
    if budget and hours > budget:
        raise InputError(
            f"campaign {sweep.campaign.name} is expected to take {hours:.1f} node-hours on {sweep.site.name}; "
            f"its budget_node_hours is {budget:g}"
        )


def _run(arguments: argparse.Namespace) -> int:
    from bench.execute import Terms, measure  # pandas and matplotlib load with it
    from bench.repeats import until_narrow

    here = allocation.find(os.environ, arguments.hostfile)
    sweep = Sweep.asked_for(arguments, here.narrowed(asked_site(arguments)))
    planned = sweep.planned(force=True)
    within_budget(sweep, planned)
    if arguments.outcome:
        ended = _last_outcomes(sweep)
        wanted = _outcomes(arguments.outcome)
        planned = [p for p in planned if ended.get(p.spec.key) in wanted]
    campaign = sweep.campaign
    if getattr(arguments, "until_interval", None) is not None:
        campaign = msgspec.structs.replace(campaign, until_interval=arguments.until_interval)
    repeats = campaign.repeats
    left = {p.spec.key: p.launches if arguments.resume else repeats for p in planned}
    print(f"{sweep.campaign.name}: {sum(left.values())} launches on {described(sweep.site)}", file=sys.stderr)
    terms = Terms(allocation=here, force=arguments.force, enough=repeats if arguments.resume else None)
    records = []
    try:
        for launch in range(repeats):  # all points once, then all again: a slow hour hits them alike
            specs = [p.spec for p in planned if left[p.spec.key] > launch]
            records += measure(specs, sweep.site, sweep.results, sweep.campaign.data, terms)
        if campaign.until_interval:
            more = dataclasses.replace(terms, enough=None)
            records += until_narrow(campaign, sweep.site, sweep.results, [p.spec for p in planned], more)
    except KeyboardInterrupt:
        print_report(
            sweep.results, sweep.campaign, as_json=arguments.json, planned=sweep.specs, network=sweep.site.network
        )
        raise
    print_report(sweep.results, sweep.campaign, as_json=arguments.json, planned=sweep.specs, network=sweep.site.network)
    bad = [r for r in records if r.outcome not in (Outcome.OK, Outcome.SKIPPED)]
    return SOME_FAILED_EXIT_CODE if bad else 0


def _print_sweep(sweep: Sweep, arguments: argparse.Namespace) -> None:
    print_report(sweep.results, sweep.campaign, as_json=arguments.json, planned=sweep.specs, network=sweep.site.network)


def _report(arguments: argparse.Namespace) -> int:
    campaign = load_campaign(arguments.campaign)
    site = load_site(arguments.site)
    print_report(
        results_of(arguments, campaign),
        campaign,
        as_json=arguments.json,
        mixed=arguments.mixed,
        planned=expand(campaign, site),
        network=site.network,
    )
    return 0


def _last_outcomes(sweep: Sweep) -> dict[str, Outcome]:
    return {summary.key: summary.outcome for summary in sweep.results.summaries()}


def _outcomes(text: str) -> set[Outcome]:
    names = {o.value for o in Outcome}
    for name in text.split(","):
        if name not in names:
            raise InputError(near_names("outcome", name, sorted(names)))
    return {Outcome(name) for name in text.split(",")}


def _line(p: Planned) -> str:
    nodes = counted(p.nodes, "node")
    what = f"does not fit: {p.why_not}" if p.why_not else f"{p.launches} x {p.minutes:.1f} min on {nodes} ({p.basis})"
    doubt = f"; may not fit: {p.doubt}" if p.doubt and not p.why_not else ""
    return f"{p.spec.name:60} {what}{doubt}"


def _command(p: Planned, site: Site) -> list[str]:
    """What would start its ranks, on nodes of made-up names where it needs several."""
    hosts = [f"NODE{number}" for number in range(1, p.nodes + 1)] if site.nodes > 1 else []
    worker = worker_command(Path("SPEC"), Path("OUT"))
    environment = rank_environment(
        os.environ, p.spec, site.environment, as_root=os.geteuid() == 0, settings=site.runtime
    )
    return COMMANDS[site.launcher](p.spec, worker, environment, hosts)


def _told(p: Planned) -> dict[str, Any]:
    return {
        "name": p.spec.name,
        "key": p.spec.key,
        "workers": p.spec.workers,
        "nodes": p.nodes,
        "launches": p.launches,
        "minutes": p.minutes,
        "basis": p.basis,
        "why_not": p.why_not,
        "doubt": p.doubt,
    }


def _text(name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, UnicodeDecodeError):
        return ""
