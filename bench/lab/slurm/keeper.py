"""Keeps a Slurm on a lab for as long as the lab is up: `python -m bench.lab.slurm.keeper LOGIN_NAMESPACE FOLDER`.

Its daemons are its children and end with it, however it ends.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

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
    arguments = ["-m", attendants.SLURM, lab.namespace(LOGIN), str(lab.folder)]
    attendants.start(arguments, lab.folder / "slurm.log", "no Slurm on the lab")


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
