"""Slurm whose nodes are the hosts of a lab: the controller is on its login host, messages take its links."""

from __future__ import annotations

import os

from bench.lab.network import LOGIN, Lab
from bench.lab.scripts import address
from bench.lab.slurm.cluster import SlurmCluster, why_not
from bench.lab.slurm.configuration import Addresses
from deepgalaxy.errors import InputError
from deepgalaxy.placement import physical_cores


class LabCluster(SlurmCluster):
    """Slurm on all hosts of a lab that is up.

    Raises
    ------
    InputError: what it needs is not installed
    """

    def __init__(self, lab: Lab) -> None:
        if reason := why_not():
            raise InputError(f"no Slurm can be started on the lab: {reason}")
        super().__init__(
            lab.folder / "slurm", names=lab.hosts, cpus_per_node=len(physical_cores(os.sched_getaffinity(0)))
        )
        self._lab = lab

    def on_nodes(self, command: list[str]) -> list[str]:
        """What runs a command, on the login host, with all nodes allocated to it."""
        options = [f"--nodes={len(self.names)}", "--ntasks-per-node=1", "--exclusive", "--quiet"]
        return ["env", f"SLURM_CONF={self.environment['SLURM_CONF']}", "salloc", *options, *command]

    def _addresses(self, port: int) -> Addresses:
        nodes = {name: (address(name), port + 1) for name in self.names}
        return Addresses(f"{LOGIN}({address(LOGIN)})", nodes, local=False)

    def _login(self) -> list[str]:
        return self._lab.command(LOGIN)

    def _node(self, name: str) -> list[str]:
        return self._lab.command(name, "slurmd", "-D", "-N", name)

    def _listening(self, port: int) -> bool:
        return "is UP" in self.run("scontrol", "ping").stdout
