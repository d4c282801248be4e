"""Keeps a Slurm on a lab for as long as the lab is up: `python -m bench.lab.slurm.keeper LOGIN_NAMESPACE FOLDER`.

Its daemons are its children and end with it, however it ends.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from bench import REPOSITORY
from bench.lab import attendants
from bench.lab.network import LOGIN, Lab
from bench.lab.scripts import SLURM_CONF
from bench.lab.slurm.machine import SlurmError
from bench.lab.slurm.on_lab import LabCluster
from deepgalaxy.errors import InputError, first_line


def start(lab: Lab) -> None:
    """Have a Slurm on all hosts of the lab, until the lab is removed.

    Raises
    ------
    InputError: what it needs is not installed, or it does not start
    """
    log = lab.folder / "slurm.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", attendants.SLURM, lab.namespace(LOGIN), str(lab.folder)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdout is not None
    if process.stdout.readline() != b"ready\n":
        said = log.read_text().strip().splitlines()
        raise InputError(said[-1] if said else "the process that keeps Slurm has ended")


def main(folder: Path) -> int:
    """Start it, say so, and wait to be told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    lab = Lab(folder)
    link = lab.folder / SLURM_CONF
    try:
        slurm = LabCluster(lab)
        with slurm:
            link.unlink(missing_ok=True)
            link.symlink_to(slurm.environment["SLURM_CONF"])
            print("ready", flush=True)
            signal.pause()
    except (InputError, SlurmError) as error:
        print(first_line(error), file=sys.stderr)
        return 2
    finally:
        link.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[2])))
