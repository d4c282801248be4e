"""`dgbench lab`: a cluster in a box, its campaigns, and what its network does."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench.commands.common import results_of
from bench.lab import namespaces
from bench.lab.links import Link
from bench.lab.network import FOLDER, MOST_HOSTS, Lab
from bench.lab.run import Wanted, absolute, fitting_hosts, links_of, run_campaign, run_on
from bench.lab.site import described, site_name, write_site
from deepgalaxy.errors import InputError

LAUNCHERS = ("mpirun", "horovodrun")


def add(commands: Any) -> None:
    """Describe the commands."""
    lab = commands.add_parser(
        "lab",
        help="a cluster in a box: many real workers on a real network, on one machine",
        description=(
            "Hosts that are network namespaces on one switch, each with a link of a rate and a delay. Real launchers "
            "start real Horovod ranks on them; where a campaign names a profile, a rank waits in place of computing: "
            "its results are `emulated`. Needs root, iproute2, and for delays iptables (tools/lab.sh installs them)."
        ),
        epilog="example: dgbench lab run lab-fig7 --rate 1gbit,200mbit",
    )
    actions = lab.add_subparsers(dest="action", required=True, metavar="ACTION")
    up = actions.add_parser(
        "up", help="make hosts and links, and a site file", epilog="example: dgbench lab up --hosts 8 --rate 1gbit"
    )
    down = actions.add_parser("down", help="end all processes on the hosts, and remove them")
    status = actions.add_parser("status", help="hosts, links and processes that there are")
    enter = actions.add_parser(
        "exec",
        help="run a command on a host",
        epilog="example: dgbench lab exec h0 dgbench run quick --site results/lab/sites/lab-1gbit.toml",
    )
    run = actions.add_parser(
        "run",
        help="a campaign on the lab, for every rate and delay, and one report",
        description=(
            "Make the lab, run the campaign once for every rate and delay (each a site of its own), write table, "
            "figure, and the share of each term of the steps' time, and remove the lab."
        ),
        epilog="example: dgbench lab run lab-fig7 --rate 1gbit,200mbit --delay 0us,500us",
    )
    run.add_argument("campaign", help="name in jobs/campaigns, or a file")
    run.add_argument("--results", type=Path, metavar="DIR", help="folder of the results (results/<campaign>)")
    run.add_argument("--workers", metavar="COUNTS", help="only these counts: 8, or 1,2,4, or 1:16")
    run.add_argument("--keep", action="store_true", help="leave the lab up afterwards")
    for command, rates in ((up, "1gbit"), (run, "1gbit,200mbit")):
        _link_options(command, rates)
    enter.add_argument("host", help="h0, the one to log in to, or h1, h2, ...")
    enter.add_argument("tokens", nargs=argparse.REMAINDER, metavar="COMMAND", help="with its arguments")
    status.add_argument("--json", action="store_true", help="print as JSON")
    for command, work in ((up, _up), (down, _down), (status, _status), (enter, _exec), (run, _run)):
        command.add_argument(
            "--lab", type=Path, default=FOLDER, metavar="DIR", help="folder of its state (results/lab)"
        )
        command.set_defaults(run=work)


def _link_options(command: argparse.ArgumentParser, rates: str) -> None:
    option = command.add_argument
    option("--hosts", type=int, metavar="N", help="(as many as there is memory for ranks on, up to 24)")
    option("--rate", default=rates, help=f"of each link, both ways: 1gbit, 100mbit, ... or none ({rates})")
    option("--delay", default="0us", help="from any host to any other: 50us, 1ms, ... (0us)")
    option("--own-link", nargs="*", default=[], metavar="HOST=RATE", help="links that differ, e.g. h3=10mbit")
    option("--launcher", choices=LAUNCHERS, default="mpirun", help="what starts ranks: over MPI, or Gloo (mpirun)")
    option("--default-allreduce", action="store_true", help="Open MPI's own choice instead of its ring algorithm")


def _wanted(arguments: argparse.Namespace) -> Wanted:
    links = links_of(arguments.rate, arguments.delay)
    hosts = fitting_hosts() if arguments.hosts is None else arguments.hosts
    if not 1 <= hosts <= MOST_HOSTS:
        raise InputError(f"--hosts {hosts} is outside 1 to {MOST_HOSTS}")
    own = {}
    for text in arguments.own_link:
        host, equals, rate = text.partition("=")
        if not equals:
            raise InputError(f"--own-link {text!r} is not of the form h3=10mbit")
        own[host] = Link(rate=rate, delay=links[0].delay)
    return Wanted(
        hosts=hosts, links=links, own_links=own, launcher=arguments.launcher, ring=not arguments.default_allreduce
    )


def _up(arguments: argparse.Namespace) -> int:
    wanted = _wanted(arguments)
    if len(wanted.links) > 1:
        raise InputError(f"--rate {arguments.rate} --delay {arguments.delay}: a lab that stays up has one of each")
    lab = Lab(arguments.lab)
    with lab.held():
        lab.up(wanted.hosts, wanted.links[0], wanted.own_links)
        name = site_name(wanted.links[0], wanted.own_links)
        site = write_site(lab, name, wanted.launcher, ring=wanted.ring)
    print(f"h1 to h{wanted.hosts}, {described(wanted.links[0], wanted.own_links)}; site file {site}")
    print(
        f"log in: dgbench lab exec h0 bash; then: dgbench run CAMPAIGN --site {site} --hostfile {lab.folder}/hostfile"
    )
    return 0


def _down(arguments: argparse.Namespace) -> int:
    lab = Lab(arguments.lab)
    with lab.held():
        there = lab.state is not None
        lab.down()
    print("removed" if there else f"no lab is up in {lab.folder}")
    return 0


def _status(arguments: argparse.Namespace) -> int:
    lab = Lab(arguments.lab)
    state = lab.state
    if state is None:
        print("{}" if arguments.json else f"no lab is up in {lab.folder}")
        return 0
    running = {h: len(namespaces.processes({state.inodes.get(lab.namespace(h), 0)})) for h in ["h0", *lab.hosts]}
    told = {"hosts": state.hosts, "links": described(state.link, state.own_links), "delayed": lab.delayed}
    if arguments.json:
        print(json.dumps(told | {"processes": running}, indent=1))
        return 0
    print(f"{state.hosts} hosts, {told['links']}" + ("" if lab.delayed else " (the process that delays has ended)"))
    print("processes: " + ", ".join(f"{host} {count}" for host, count in running.items()))
    return 0


def _exec(arguments: argparse.Namespace) -> int:
    lab = Lab(arguments.lab)
    if arguments.host not in ["h0", *lab.hosts]:
        raise InputError(f"host {arguments.host} is none of h0 to h{len(lab.hosts)}")
    if not arguments.tokens:
        raise InputError("a command to run is needed, e.g. bash")
    return run_on(lab, arguments.host, arguments.tokens)


def _run(arguments: argparse.Namespace) -> int:
    from bench.campaign.campaign import load_campaign
    from bench.commands.campaigns import print_report
    from bench.lab.report import write_terms

    wanted = _wanted(arguments)
    campaign = load_campaign(arguments.campaign)
    results = results_of(arguments, campaign)
    lab = Lab(arguments.lab)
    options = ["--results", str(results.folder.resolve())]
    options += ["--workers", arguments.workers] if arguments.workers else []
    with lab.held():
        worst = run_campaign(lab, wanted, absolute(arguments.campaign), options, keep=arguments.keep)
    print_report(results, campaign, as_json=False)
    text, files = write_terms(results)
    print(f"\n{text}", *(f"wrote {path}" for path in files), sep="\n", flush=True)
    return worst
