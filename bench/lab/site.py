"""A lab as a site: what launchers need to know to run on its hosts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.lab.links import Link
from bench.lab.network import Lab
from bench.store.results import write_atomically
from deepgalaxy.errors import InputError
from deepgalaxy.placement import physical_cores

YIELD = Path(__file__).with_name("yield.c")
MEMORY_PER_HOST = 2**30

RING = {
    "OMPI_MCA_coll": "^han",
    "OMPI_MCA_coll_tuned_use_dynamic_rules": "1",
    "OMPI_MCA_coll_tuned_allreduce_algorithm": "4",
}
"""What makes Open MPI sum by the ring algorithm; left alone, it chooses by size and number of ranks."""

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


def write_site(lab: Lab, name: str, launcher: str = "mpirun", *, ring: bool = True) -> Path:
    """The site file of the lab as it is now; returns its path."""
    state = lab.state
    if state is None:
        raise InputError(f"no lab is up in {lab.folder}; `dgbench lab up` makes one")
    variables = environment(lab) | (RING if ring else {})
    text = TEMPLATE.format(
        name=name,
        hosts=state.hosts,
        launcher=launcher,
        cores=len(physical_cores(os.sched_getaffinity(0))),
        memory=MEMORY_PER_HOST,
        network=described(state.link, state.own_links),
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


def site_name(link: Link, own_links: dict[str, Link]) -> str:
    """A name that tells all links, so that records of different ones never lie on one curve."""
    return "-".join(["lab", link.name, *(f"{host}-{own.name}" for host, own in sorted(own_links.items()))])
