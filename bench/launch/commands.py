"""Launchers: pure functions from a point and its nodes to the tokens of the command that starts its ranks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.campaign.site import Launcher
from deepgalaxy.runtime import Settings, variables
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Compute, Device, Runtime

Command = Callable[[RunSpec, list[str], Mapping[str, str], Sequence[str]], list[str]]
"""command(point, tokens of a rank, its environment, names of its nodes; none for this machine)"""


def local(spec: RunSpec, worker: list[str], environment: Mapping[str, str], hosts: Sequence[str]) -> list[str]:
    """No launcher at all: a process a rank on this machine."""
    return [sys.executable, "-I", str(PROCESSES), str(spec.workers), *worker]


def mpirun(spec: RunSpec, worker: list[str], environment: Mapping[str, str], hosts: Sequence[str]) -> list[str]:
    """Open MPI's. Ranks bind themselves (`deepgalaxy.placement`), so it must not."""
    command = ["mpirun", "-np", str(spec.workers), "--bind-to", "none"]
    if hosts:
        command += ["--host", _slots(spec, hosts)]
    if spec.oversubscribe:
        command += ["--map-by", ":OVERSUBSCRIBE"]
    for name in _exported(environment):
        command += ["-x", name]
    return command + worker


def mpich(spec: RunSpec, worker: list[str], environment: Mapping[str, str], hosts: Sequence[str]) -> list[str]:
    """MPICH's process manager, Hydra."""
    command = ["mpiexec", "-n", str(spec.workers), "-ppn", str(spec.workers_per_node), "-bind-to", "none"]
    return [*command, *_hydra(environment, hosts), *worker]


def intelmpi(spec: RunSpec, worker: list[str], environment: Mapping[str, str], hosts: Sequence[str]) -> list[str]:
    """Intel MPI's, a Hydra too; its pinning is a variable."""
    command = ["mpirun", "-n", str(spec.workers), "-ppn", str(spec.workers_per_node), "-genv", "I_MPI_PIN", "0"]
    return [*command, *_hydra(environment, hosts), *worker]


def horovodrun(spec: RunSpec, worker: list[str], environment: Mapping[str, str], hosts: Sequence[str]) -> list[str]:
    """Horovod's own, with Gloo for the messages: Horovod 0.28's way through MPI gives Open MPI 5
    options that it no longer takes. It passes the environment on by itself. Where Gloo's interface is named, horovodrun
    is told, too: left to look by itself it may take one single other host's loopback for its own.
    """
    where = _slots(spec, hosts) if hosts else f"localhost:{spec.workers}"
    interface = environment.get("HOROVOD_GLOO_IFACE")
    by = ["--network-interfaces", interface] if interface else []
    return ["horovodrun", "--gloo", *by, "-np", str(spec.workers), "-H", where, *worker]


def srun(spec: RunSpec, worker: list[str], environment: Mapping[str, str], hosts: Sequence[str]) -> list[str]:
    """Slurm's, inside an allocation. It passes the whole environment on; `SLURM_MPI_TYPE` names the way MPI starts."""
    command = ["srun", "--ntasks", str(spec.workers), "--ntasks-per-node", str(spec.workers_per_node)]
    command += ["--cpus-per-task", str(spec.cores_per_worker), "--cpu-bind=none", "--kill-on-bad-exit=1"]
    if hosts:
        command += ["--nodes", str(len(hosts)), "--nodelist", ",".join(hosts)]
    if spec.oversubscribe:
        command += ["--overcommit"]
    return command + worker


PROCESSES = Path(__file__).with_name("processes.py")

COMMANDS: dict[Launcher, Command] = {
    Launcher.LOCAL: local,
    Launcher.MPIRUN: mpirun,
    Launcher.MPICH: mpich,
    Launcher.INTELMPI: intelmpi,
    Launcher.HOROVODRUN: horovodrun,
    Launcher.SRUN: srun,
}


def _slots(spec: RunSpec, hosts: Sequence[str]) -> str:
    return ",".join(f"{host}:{spec.workers_per_node}" for host in hosts)


def _hydra(environment: Mapping[str, str], hosts: Sequence[str]) -> list[str]:
    names = _exported(environment)
    listed = ["-genvlist", ",".join(names)] if names else []
    return (["-hosts", ",".join(hosts)] if hosts else []) + listed


def _exported(environment: Mapping[str, str]) -> list[str]:
    return [name for name in sorted(environment) if name.startswith(EXPORTED_PREFIXES)]


EXPORTED_PREFIXES = (
    *("OMP_", "KMP_", "TF_CPP_", "TF_DISABLE_", "TF_ENABLE_", "TF_NUM_", "TF_ONEDNN_", "TF_XLA_", "ITEX_"),
    *("ONEDNN_", "DNNL_", "HOROVOD_", "GLIBC_TUNABLES", "MALLOC_", "LD_PRELOAD", "PYTHONPATH", "DEEPGALAXY_"),
)
KEPT_NAMES = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SHELL", "TERM")
KEPT_PREFIXES = EXPORTED_PREFIXES + ("LC_", "MKL_", "OMPI_", "PMIX_", "PRTE_", "UCX_", "FI_", "I_MPI_", "SLURM_")


def worker_command(spec_path: Path, out: Path) -> list[str]:
    """The command of one rank."""
    return [sys.executable, "-m", "deepgalaxy.worker", str(spec_path), str(out)]


def rank_environment(
    parent: Mapping[str, str],
    spec: RunSpec,
    site_environment: Mapping[str, str],
    *,
    as_root: bool,
    settings: Settings | None = None,
) -> dict[str, str]:
    """Every variable that the launcher and its ranks get: named ones of the parent, and ours.

    What the user or the site has set wins over `settings`, which a stock run does without.
    """
    kept = {k: v for k, v in parent.items() if k in KEPT_NAMES or k.startswith(KEPT_PREFIXES)}
    # The environment's own mpirun and horovodrun come first: Horovod was built against that MPI.
    kept["PATH"] = f"{Path(sys.executable).parent}:{kept.get('PATH', '/usr/bin:/bin')}"
    tuned = spec.runtime is Runtime.TUNED
    busy = spec.device is Device.CPU and spec.compute is Compute.REAL
    defaults = variables(settings or Settings(), spec.cores_per_worker, busy=busy) if tuned else {}
    if as_root:  # Open MPI asks for this in so many words
        names = ("OMPI_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT")
        defaults |= dict.fromkeys([*names, *(f"{n}_CONFIRM" for n in names)], "1")
    return defaults | kept | dict(site_environment)
