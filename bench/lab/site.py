"""A lab as a site: what launchers need to know to run on its hosts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.lab.links import Link
from bench.lab.network import Lab
from bench.store.results import write_atomically
from deepgalaxy.errors import InputError
from deepgalaxy.placement import physical_cores

SLOW_HOSTS = "DEEPGALAXY_SLOW_HOSTS"  # as deepgalaxy.emulation has it

YIELD = Path(__file__).with_name("yield.c")
MEMORY_PER_HOST = 2**30

RULES = """\
1
2
1
1
2
0 3 0 0
65536 4 0 0
"""
"""Which algorithms Open MPI sums by: one rule, for collective 2 (allreduce), for 1 rank or more, for 2 sizes: from 0
bytes on recursive doubling (3), from 64 KiB on the ring (4)."""

TEMPLATE = """\
# Made by `dgbench lab`: hosts that are network namespaces of one machine. They share its cores: emulated compute only.
name = "{name}"
description = "{hosts} virtual hosts on one machine, {network}"
launcher = "{launcher}"
nodes = {hosts}
cores_per_node = {cores}
cores_per_worker = {cores}
workers_per_node = 1
memory_per_node_bytes = {memory}
network = "{network}"
minutes_per_point = 1.0

[environment]
{environment}
"""


@dataclass(frozen=True)
class Way:
    """What starts ranks, and what sums for them.

    launcher: mpirun, srun, or horovodrun for Gloo
    ring: large sums by Open MPI's ring algorithm; left alone, it chooses by size and number of ranks
    """

    launcher: str = "mpirun"
    ring: bool = True


def write_site(lab: Lab, way: Way, slow_hosts: Mapping[str, float] | None = None) -> Path:
    """The site file of the lab as it is now, named by its links; returns its path.

    slow_hosts: whose emulated compute takes so many times as long
    """
    state = lab.state
    if state is None:
        raise InputError(f"no lab is up in {lab.folder}; `dgbench lab up` makes one")
    slow = [f"{host}={times:g}" for host, times in sorted((slow_hosts or {}).items())]
    variables = (
        environment(lab) | (_ring(lab.folder) if way.ring else {}) | ({SLOW_HOSTS: ",".join(slow)} if slow else {})
    )
    network = "; ".join(
        [described(state.link, state.own_links), *(f"{s.replace('=', ' ')} times slower" for s in slow)]
    )
    name = "-".join([site_name(state.link, state.own_links, way), *(s.replace("=", "-") + "x-slower" for s in slow)])
    text = TEMPLATE.format(
        name=name,
        hosts=state.hosts,
        launcher=way.launcher,
        cores=len(physical_cores(os.sched_getaffinity(0))),
        memory=MEMORY_PER_HOST,
        network=network,
        environment="\n".join(f'{key} = "{value}"' for key, value in sorted(variables.items())),
    )
    path = lab.folder / "sites" / f"{name}.toml"
    write_atomically(path, text.encode())
    return path


def environment(lab: Lab) -> dict[str, str]:
    """Variables by which launchers and ranks find the lab's hosts and network."""
    found = {
        # The stand-in for ssh comes first, then what belongs to this Python.
        "PATH": f"{lab.folder / 'bin'}:{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "PRTE_MCA_plm_ssh_agent": "ssh",
        "OMPI_MCA_pml": "ob1",
        "OMPI_MCA_btl": "tcp,self",
        "OMPI_MCA_btl_tcp_if_include": "eth0",
        "HOROVOD_GLOO_IFACE": "eth0",
    }
    library = yielding(lab.folder)
    return found | ({"LD_PRELOAD": str(library)} if library else {})


def _ring(folder: Path) -> dict[str, str]:
    """Variables that have Open MPI sum by the ring algorithm."""
    rules = folder / "allreduce.rules"
    write_atomically(rules, RULES.encode())
    return {
        "OMPI_MCA_coll": "^han",
        "OMPI_MCA_coll_tuned_use_dynamic_rules": "1",
        "OMPI_MCA_coll_tuned_dynamic_rules_filename": str(rules),
    }


def yielding(folder: Path) -> Path | None:
    """The library that lets waiting ranks sleep, compiled where it is missing; None without a compiler."""
    library = folder / "yield.so"
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not library.exists() and compiler:
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(YIELD)]
        subprocess.run(command, check=False, capture_output=True)
    return library if library.exists() else None


def described(link: Link, own_links: dict[str, Link]) -> str:
    """Links in a few words."""
    told = [f"{link.rate} a link, {link.delay} one way" if link.rate != "none" else f"unshaped, {link.delay} one way"]
    told += [f"{host}: {own.rate}, {own.delay}" for host, own in sorted(own_links.items())]
    return "; ".join(told)


def site_name(link: Link, own_links: Mapping[str, Link], way: Way) -> str:
    """A name that tells all links and what sums, so that records of different ones never lie on one curve."""
    sums = ["gloo"] if way.launcher == "horovodrun" else [] if way.ring else ["default"]
    return "-".join(["lab", link.name, *(f"{host}-{own.name}" for host, own in sorted(own_links.items())), *sums])
