"""A real Slurm on this machine: one controller and some nodes, for as long as the process that starts it needs them.

Nothing of a system's Slurm is used or changed: the key, sockets, ports, state and logs are its own.
All daemons run in the foreground as children of this process, and the kernel asks them to end when
it dies, so none stays behind, whatever becomes of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.lab.slurm.configuration import Addresses, on_loopback, write_configuration
from bench.lab.slurm.machine import SlurmError, end, free_ports, kill_all_in, listens, namespace, until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scancel", "scontrol", "sinfo", "squeue")
PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
# Below the folder lie sockets named like spool/node4/pmix.12.4294967290/stepd.slurm.pmix.12.4294967290,
# and the path of a Unix socket has at most 107 bytes.
LONGEST_FOLDER = 40
DIE_WITH_US = ("setpriv", "--pdeathsig", "TERM")
# A node is a slurmd that has a host name of its own, and a hosts file in which all nodes are found.
NODE = ("unshare", "--uts", "--mount", "sh", "-c")
BECOME_NODE = 'hostname "$0" && mount --bind "$1" /etc/hosts && exec slurmd -D -N "$0"'
FINAL_STATES = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"),
    *("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"),
}


def why_not() -> str:
    """Why no Slurm can be started here; empty when it can."""
    if os.geteuid() != 0:
        return "only root can start Slurm's nodes, each with a host name of its own"
    missing = [name for name in (*PROGRAMS, DIE_WITH_US[0], NODE[0]) if not shutil.which(name, path=PATH)]
    if missing:
        return f"not installed: {', '.join(missing)}; tools/slurm.sh installs them"
    probe = subprocess.run([*NODE[:-2], "true"], capture_output=True, text=True, check=False)
    return f"no permission to give nodes their own host names: {probe.stderr.strip()}" if probe.returncode else ""


def fast_clock() -> Path | None:
    """The library that makes a program's clock run faster, where it is installed."""
    return next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


class SlurmCluster:
    """Slurm with `nodes` nodes named node1, node2, ... (or by `names`) of `cpus_per_node` CPUs each, real or not.

    With `clock` 20 the controller's time runs 20 times faster, so that a limit of a minute takes 3 seconds.
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 4,
        cpus_per_node: int = 2,
        clock: int = 1,
        base_port: int = 17000,
        names: Sequence[str] = (),
    ) -> None:
        self.folder = folder.resolve()
        self.names = list(names) or [f"node{number}" for number in range(1, nodes + 1)]
        self.cpus_per_node = cpus_per_node
        self.clock = clock
        self.base_port = base_port
        self._short: Path | None = None
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        self._namespaces: list[int] = []  # open files
        self._up = False

    def __enter__(self) -> SlurmCluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """What commands need in their environment to find this Slurm."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        """All daemons, each once those it needs are there; all nodes are ready for jobs afterwards."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all jobs and daemons, also after a start that failed half-way. Logs stay in the folder."""
        try:
            if self._up and all(daemon.poll() is None for daemon in self._daemons.values()):
                with contextlib.suppress(SlurmError, subprocess.TimeoutExpired):
                    self.cancel_all()  # what resists is killed below
        finally:
            self._up = False
            while self._daemons:
                end(self._daemons.popitem()[1])  # in reverse: the nodes, the controller, munge
            kill_all_in(self._namespaces)
            while self._namespaces:
                os.close(self._namespaces.pop())
            if self._short:
                shutil.rmtree(self._short, ignore_errors=True)

    def run(self, *tokens: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
        """A command that talks to this Slurm, run to its end in the cluster's folder."""
        return subprocess.run(
            [*self._login(), *tokens],
            env=self._environ(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def wait(self, job_id: str | int, timeout: float) -> str:
        """The state in which a job ended; of an array's jobs the first that is not COMPLETED, if any."""

        def final() -> str:
            states = re.findall(r"\bJobState=(\w+)", self._answer("scontrol", "show", "job", str(job_id)))
            ended = bool(states) and FINAL_STATES.issuperset(states)
            return next((state for state in states if state != "COMPLETED"), "COMPLETED") if ended else ""

        return until(final, timeout, f"job {job_id} has not ended", every=0.2)

    def cancel_all(self) -> None:
        """Cancel all jobs, and wait until their processes have ended."""
        self._answer("scancel", "--user=root")
        until(lambda: not self._answer("squeue", "--noheader"), 20, "jobs are still in the queue", every=0.1)

    def _start(self) -> None:
        if len(os.fsencode(self.folder)) > LONGEST_FOLDER:
            self._short = self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        for name in ("munge", "state", "log", *(f"spool/{name}/tmp" for name in self.names)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        port = free_ports(self.base_port, 1 + len(self.names))
        write_configuration(self.folder, self._addresses(port), self.cpus_per_node, self.clock, port)
        self._start_munge()
        self._spawn("slurmctld", *self._login(), *self._faster(), "slurmctld", "-D")
        self._await(lambda: self._listening(port), "the controller does not listen")
        for name in self.names:
            self._start_node(name)
        ready = ["idle"] * len(self.names)
        self._await(lambda: self.run("sinfo", "-hN", "-pmain", "-o%t").stdout.split() == ready, "some nodes are not up")
        self._up = True

    def _start_munge(self) -> None:
        folder = self.folder / "munge"
        key = folder / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        files = {"key-file": key, "socket": folder / "socket", "pid-file": folder / "pid", "seed-file": folder / "seed"}
        # It wants a folder that all users can enter, unless forced; here all are one user.
        options = [f"--{option}={path}" for option, path in files.items()]
        self._spawn("munged", "munged", "--foreground", "--force", *options)
        self._await((folder / "socket").exists, "munge has no socket")

    def _faster(self) -> list[str]:
        if self.clock == 1:
            return []
        # Set by `env`: what comes before the controller would load the library, too, and leave its shared memory.
        clock = [f"LD_PRELOAD={fast_clock()}", f"FAKETIME=+0 x{self.clock}", "FAKETIME_DONT_FAKE_MONOTONIC=1"]
        return ["env", *clock]

    def _start_node(self, name: str) -> None:
        pid = self._spawn(name, *self._node(name))
        mine = namespace(os.getpid())
        self._await(lambda: namespace(pid) not in (mine, None), f"{name} has no host name of its own")
        # It tells the node's processes, jobs included, from all others; open, so that no other gets its number.
        self._namespaces.append(os.open(f"/proc/{pid}/ns/uts", os.O_RDONLY))

    def _addresses(self, port: int) -> Addresses:
        """Where controller and nodes are found."""
        return on_loopback(self.names, port)

    def _login(self) -> list[str]:
        """What comes before a command that talks to this Slurm, and before the controller."""
        return []

    def _node(self, name: str) -> list[str]:
        """The command of a node's daemon."""
        return [*NODE, BECOME_NODE, name, str(self.folder / "hosts")]

    def _listening(self, port: int) -> bool:
        """Whether the controller answers."""
        return listens(port)

    def _spawn(self, name: str, *tokens: str) -> int:
        with self._log(name).open("wb") as log:
            self._daemons[name] = subprocess.Popen(
                [*DIE_WITH_US, *tokens],
                env=self._environ(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # an interrupt ends the tests, and they end the daemons
            )
        return self._daemons[name].pid

    def _await(self, condition: Callable[[], object], complaint: str) -> None:
        def checked() -> object:
            for name, daemon in self._daemons.items():
                if daemon.poll() is not None:
                    raise SlurmError(f"{name} ended: {self._log(name).read_text(errors='replace')[-1000:]}")
            return condition()

        until(checked, 20, f"{complaint}; see {self.folder / 'log'};")

    def _log(self, name: str) -> Path:
        return self.folder / "log" / name

    def _environ(self) -> dict[str, str]:
        """Ours, without what an outer Slurm would have set."""
        outer = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "SBATCH", "SRUN"))}
        return outer | {"PATH": PATH} | self.environment

    def _answer(self, *tokens: str) -> str:
        done = self.run(*tokens)
        if done.returncode:
            raise SlurmError(f"{' '.join(tokens)}: {done.stderr.strip()}")
        return done.stdout
