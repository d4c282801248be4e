"""Run a campaign on a lab, once for each kind of link, and report on all of them together."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from bench.lab.links import Link
from bench.lab.network import LOGIN, Lab
from bench.lab.site import Way, write_site
from bench.lab.slurm.on_lab import LabCluster

RANK_BYTES = 600 * 2**20
"""Memory of a rank that emulates EfficientNetB4, with its share of the pages that all ranks use; measured."""

SPARE_BYTES = 2 * 2**30
MOST_FITTING_HOSTS = 24
"""Beyond it the ranks fight for the cores of any small machine."""

DIE_WITH_US = ("setpriv", "--pdeathsig", "TERM")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A lab and what runs on it: links of one kind after the other, some hosts slower or with links of their own."""

    hosts: int
    links: Sequence[Link]
    own_links: dict[str, Link]
    slow_hosts: dict[str, float]
    way: Way = Way()


def links_of(rates: str, delays: str) -> list[Link]:
    """Every rate with every delay, of lists separated by commas.

    Raises
    ------
    InputError: a rate or delay that is none
    """
    return [Link(rate=rate, delay=delay) for rate, delay in itertools.product(rates.split(","), delays.split(","))]


def fitting_hosts() -> int:
    """Hosts for whose ranks the machine has memory now."""
    free = psutil.virtual_memory().available - SPARE_BYTES
    return int(max(1, min(MOST_FITTING_HOSTS, free // RANK_BYTES)))


@contextmanager
def raised(lab: Lab, hosts: int, link: Link, own_links: dict[str, Link], *, keep: bool = False) -> Iterator[Lab]:
    """A lab of that form, removed in the end unless it is to be kept."""
    lab.up(hosts, link, own_links)
    try:
        yield lab
    finally:
        if not keep:
            lab.down()


def run_on(lab: Lab, host: str, command: Sequence[str], *, quiet: bool = False) -> int:
    """Run a command on a host of the lab, to its end; returns its exit code. It ends when this process dies."""
    with subprocess.Popen(
        [*DIE_WITH_US, *lab.command(host, *command)], stdout=subprocess.DEVNULL if quiet else None
    ) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise


@contextmanager
def allocated(lab: Lab, way: Way, command: list[str]) -> Iterator[list[str]]:
    """The command as it is run on the lab's hosts: given their names, or by a Slurm that is there meanwhile."""
    if way.launcher != "srun":
        yield [*command, "--hostfile", str(lab.folder / "hostfile")]
        return
    slurm = LabCluster(lab)
    with slurm:
        yield slurm.on_nodes(command)


def run_campaign(
    lab: Lab, wanted: Wanted, campaign: str, options: Sequence[str], *, keep: bool = False, verb: str = "run"
) -> int:
    """`dgbench run CAMPAIGN`, or resume, on the login host, for each link; returns the worst exit code."""
    worst = 0
    with raised(lab, wanted.hosts, wanted.links[0], wanted.own_links, keep=keep):
        for link in wanted.links:
            lab.shape(link, wanted.own_links)
            site = write_site(lab, wanted.way, wanted.slow_hosts)
            command = [sys.executable, "-m", "bench.cli", verb, campaign, "--site", str(site), *options]
            print(f"{site.stem}: {wanted.hosts} hosts", file=sys.stderr, flush=True)
            with allocated(lab, wanted.way, command) as whole:
                worst = max(worst, run_on(lab, LOGIN, whole, quiet=True))
            if not lab.delayed:
                print(f"{site.stem}: the process that delays packets has ended", file=sys.stderr)
                worst = max(worst, 1)
    return worst
