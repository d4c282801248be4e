"""The merger images that a campaign trains on: a file that is there, or one simulated on demand."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench import REPOSITORY
from deepgalaxy import __version__
from deepgalaxy.data.layout import read_catalogue
from deepgalaxy.errors import InputError
from deepgalaxy.spec import RunSpec

FOLDER = REPOSITORY / "results" / "data"


class DataRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mergers to simulate (see `deepgalaxy simulate --help`), or a `file` to read instead."""

    mergers: tuple[str, ...] = ("s_1_m_1", "s_0.75_m_0.5")
    particles: int = 4000
    time_step_myr: float | None = None
    seed: int = 0
    file: str = ""


def data_file(request: DataRequest, resolution: int) -> Path:
    """Where the images of one resolution lie: a folder named by what was simulated, and by which version."""
    if request.file:
        return Path(request.file)
    digest = hashlib.sha256(msgspec.json.encode((request, __version__), order="sorted")).hexdigest()[:10]
    return FOLDER / digest / f"mergers_{resolution}.hdf5"


def provide(request: DataRequest, specs: Sequence[RunSpec]) -> None:
    """See to it that every file the points need is there and whole; simulate what is missing.

    Raises
    ------
    InputError: a file of the user's that is missing, damaged, or of another resolution; the
        simulation failed
    """
    needed = {spec.resolution: Path(spec.data) for spec in specs}
    missing = sorted(resolution for resolution, path in needed.items() if not path.exists())
    if missing and not request.file:
        simulate(request, missing, needed[missing[0]].parent)
    for resolution, path in needed.items():
        found = read_catalogue(path)
        if found.resolution != resolution:
            raise InputError(f"data file {path} holds images of {found.resolution} pixels, not {resolution}")


def simulate(request: DataRequest, resolutions: Sequence[int], folder: Path) -> None:
    """Run `deepgalaxy simulate` in a process of its own; its progress goes to this one's terminal."""
    command = [sys.executable, "-m", "deepgalaxy.cli", "simulate", "--out", str(folder)]
    command += ["--mergers", *request.mergers, "--particles", str(request.particles)]
    command += ["--seed", str(request.seed)]
    command += ["--time-step", str(request.time_step_myr)] if request.time_step_myr else []
    command += ["--resolution", *map(str, resolutions)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=REPOSITORY, check=False)
    if done.returncode:
        raise InputError(f"simulating the mergers failed with exit code {done.returncode}; its message stands above")
