"""Slurm's configuration for nodes that all are this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={controller}
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
TmpFS={folder}/spool/%n/tmp
SlurmdLogFile={folder}/log/%n.steps
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
{communication}ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=bf_interval={clock},sched_interval={clock},batch_sched_delay=0
ReturnToService=2
KillWait=2
MinJobAge=10000000
InactiveLimit=0
CompleteWait=0
MessageTimeout={message_timeout}
BatchStartTimeout={batch_start_timeout}
SlurmdTimeout={slurmd_timeout}
MailProg=/bin/true
PartitionName=main Nodes={nodes} Default=YES MaxTime=INFINITE DefaultTime=60 State=UP
"""


PAPER_PARTITION = """\
NodeName=cpu[1-256] CPUs=56 RealMemory=190000 State=CLOUD
PartitionName=compute Nodes=cpu[1-256] MaxTime=INFINITE State=UP
SuspendTime=INFINITE
SuspendProgram=/bin/true
ResumeProgram=/bin/true
"""
"""As many nodes as the paper used, which exist only to be asked for."""


@dataclass(frozen=True)
class Addresses:
    """Where a Slurm's daemons are found.

    controller: HOST(ADDRESS); nodes: address and port of each by name
    local: all on loopback, and nobody else may reach them
    """

    controller: str
    nodes: dict[str, tuple[str, int]]
    local: bool


def on_loopback(names: Sequence[str], port: int) -> Addresses:
    """The controller gets the port, the nodes those that follow."""
    nodes = {name: ("127.0.0.1", port + number) for number, name in enumerate(names, start=1)}
    return Addresses(f"{socket.gethostname().partition('.')[0]}(127.0.0.1)", nodes, local=True)


def write_configuration(folder: Path, addresses: Addresses, cpus_per_node: int, clock: int, port: int) -> None:
    """slurm.conf, and the hosts file of nodes on loopback. port: the controller's"""
    patience = {"slurmd_timeout": 60, "batch_start_timeout": 10}  # in seconds of the controller's clock
    settings = CONFIGURATION.format(
        controller=addresses.controller,
        communication="CommunicationParameters=NoInAddrAny,NoCtldInAddrAny\n" if addresses.local else "",
        port=port,
        folder=folder,
        clock=clock,
        nodes=",".join(addresses.nodes),
        message_timeout=min(10 * clock, 99),  # Slurm warns of more
        **{name: seconds * clock for name, seconds in patience.items()},
    )
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    resources = f"CPUs={cpus_per_node} RealMemory={memory_mb}"
    for name, (address, node_port) in addresses.nodes.items():
        settings += f"NodeName={name} NodeAddr={address} Port={node_port} {resources}\n"
    (folder / "slurm.conf").write_text(settings + PAPER_PARTITION)
    # No plugin uses cgroups; but unless told so, slurmd looks for them and wants them mounted.
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    hosts = Path("/etc/hosts").read_text() + "".join(f"127.0.0.1 {name}\n" for name in addresses.nodes)
    (folder / "hosts").write_text(hosts)
