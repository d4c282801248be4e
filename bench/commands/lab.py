"""`dgbench lab`: a cluster in a box, its campaigns, and what its network does."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from bench.commands import lab_studies
from bench.commands.common import results_of
from bench.lab import namespaces
from bench.lab.links import Link
from bench.lab.network import FOLDER, MOST_HOSTS, Lab
from bench.lab.run import Wanted, fitting_hosts, links_of, run_campaign, run_on
from bench.lab.site import Way, described, write_site
from bench.lab.slurm import keeper
from deepgalaxy.errors import InputError

LAUNCHERS = ("mpirun", "horovodrun", "srun")


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
    studies = lab_studies.add(actions)
    for command in (up, run):
        _host_options(command)
    for command, rates in ((up, "1gbit"), (run, "1gbit,200mbit")):
        command.add_argument("--rate", default=rates, help=f"of links, both ways: 1gbit, ... or none ({rates})")
    for command, delays in ((up, "0us"), (run, "0us")):
        command.add_argument("--delay", default=delays, help=f"from any host to any other: 50us, ... ({delays})")
    enter.add_argument("host", help="h0, the one to log in to, or h1, h2, ...")
    enter.add_argument("tokens", nargs=argparse.REMAINDER, metavar="COMMAND", help="with its arguments")
    status.add_argument("--json", action="store_true", help="print as JSON")
    for command, work in (
        *((up, _up), (down, _down), (status, _status)),
        *((enter, _exec), (run, _run), *studies),
    ):
        command.add_argument(
            "--lab", type=Path, default=FOLDER, metavar="DIR", help="folder of its state (results/lab)"
        )
        command.set_defaults(run=work)


def _host_options(command: argparse.ArgumentParser) -> None:
    option = command.add_argument
    option("--hosts", type=int, metavar="N", help="(as many as there is memory for ranks on, up to 24)")
    option("--own-link", nargs="*", default=[], metavar="HOST=RATE", help="links that differ, e.g. h3=10mbit")
    option("--slow-host", nargs="*", default=[], metavar="HOST=TIMES", help="that compute longer, e.g. h4=1.5")
    option("--launcher", choices=LAUNCHERS, default="mpirun", help="horovodrun: by Gloo; srun: by a Slurm (mpirun)")
    option("--default-allreduce", action="store_true", help="Open MPI's own choice instead of its ring algorithm")


def _wanted(arguments: argparse.Namespace) -> Wanted:
    links = links_of(arguments.rate, arguments.delay)
    hosts = fitting_hosts() if arguments.hosts is None else arguments.hosts
    if not 1 <= hosts <= MOST_HOSTS:
        raise InputError(f"--hosts {hosts} is outside 1 to {MOST_HOSTS}")
    own = _pairs("--own-link", arguments.own_link, "h3=10mbit")
    slow = _pairs("--slow-host", arguments.slow_host, "h4=1.5")
    unknown = [host for host in (*own, *slow) if host not in {f"h{n}" for n in range(1, hosts + 1)}]
    if unknown:
        raise InputError(f"{unknown[0]} is no host of this lab; its hosts are h1 to h{hosts}")
    return Wanted(
        hosts=hosts,
        links=links,
        own_links={host: Link(rate=rate, delay=links[0].delay) for host, rate in own.items()},
        slow_hosts={host: _times(times) for host, times in slow.items()},
        way=Way(arguments.launcher, ring=not arguments.default_allreduce),
    )


def _pairs(option: str, texts: list[str], example: str) -> dict[str, str]:
    """Hosts and what is said of them."""
    for text in texts:
        if "=" not in text:
            raise InputError(f"{option} {text!r} is not of the form {example}")
    return dict(text.partition("=")[::2] for text in texts)


def _times(text: str) -> float:
    try:
        times = float(text)
    except ValueError:
        times = 0.0
    if not 1 <= times <= 100:
        raise InputError(f"--slow-host {text!r}: a number of 1 to 100 is allowed")
    return times


def _up(arguments: argparse.Namespace) -> int:
    wanted = _wanted(arguments)
    if len(wanted.links) > 1:
        raise InputError(f"--rate {arguments.rate} --delay {arguments.delay}: a lab that stays up has one of each")
    lab = Lab(arguments.lab)
    with lab.held():
        lab.up(wanted.hosts, wanted.links[0], wanted.own_links)
        site = write_site(lab, wanted.way, wanted.slow_hosts)
        if wanted.way.launcher == "srun":
            keeper.start(lab)
    print(f"h1 to h{wanted.hosts}, {described(wanted.links[0], wanted.own_links)}; site file {site}")
    what = "submit CAMPAIGN" if wanted.way.launcher == "srun" else f"run CAMPAIGN --hostfile {lab.folder}/hostfile"
    print(f"log in: dgbench lab exec h0 bash; then: dgbench {what} --site {site}")
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
    from bench.commands.reporting import print_report
    from bench.lab.report import write_terms

    wanted = _wanted(arguments)
    campaign = load_campaign(arguments.campaign)
    results = results_of(arguments, campaign)
    lab = Lab(arguments.lab)
    options = ["--results", str(results.folder.resolve())]
    options += ["--workers", arguments.workers] if arguments.workers else []
    with lab.held():
        worst = run_campaign(lab, wanted, arguments.campaign, options, keep=arguments.keep)
    print_report(results, campaign, as_json=False)
    text, files = write_terms(results)
    print(f"\n{text}", *(f"wrote {path}" for path in files), sep="\n", flush=True)
    return worst
