"""Simulate mergers, photograph them, and write the DeepGalaxy HDF5 files.

A folder holds `simulations/<merger>.hdf5`, the stars of each merger over time, and from these one
`mergers_<resolution>.hdf5` per resolution. Each merger is one task, done by one process; its
images wait in `.parts/` until all are there, and what is there is not made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deepgalaxy.data.chunks import image_writer
from deepgalaxy.data.layout import add_simulation, atomic_file, join, opened
from deepgalaxy.errors import InputError
from deepgalaxy.mergers import camera, simulation
from deepgalaxy.mergers.encounter import SNAPSHOTS, Encounter

RESOLUTIONS = range(64, 2049)
DTYPES = ("float32", "uint8")

Report = Callable[[str, float], None]
"""report(merger, share of it done)"""


class Task(NamedTuple):
    """One merger: simulate it where that has not been done, and render it where its images are missing."""

    encounter: Encounter
    snapshots: int
    resolutions: tuple[int, ...]
    dtype: str
    folder: Path

    @property
    def name(self) -> str:
        """Of the merger."""
        return self.encounter.group_name

    @property
    def simulation(self) -> Path:
        """File of its stars."""
        return simulation_file(self.folder, self.name)

    def part(self, resolution: int) -> Path:
        """File of its images, until they are joined with the others'."""
        return self.folder / ".parts" / str(resolution) / f"{self.name}.hdf5"


class Timing(NamedTuple):
    """What a task took, seconds, and how many images it rendered.

    prepare_s: compiling the tree code, and the halo's distribution function: once a process
    """

    name: str
    prepare_s: float
    simulation_s: float
    images_s: float
    images: int


def simulation_file(folder: Path, name: str) -> Path:
    """Where the stars of a merger lie."""
    return folder / "simulations" / f"{name}.hdf5"


def file_name(resolution: int) -> str:
    """Name of the file that holds the images of one resolution."""
    return f"mergers_{resolution}.hdf5"


def plan(
    encounters: Sequence[Encounter], resolutions: Sequence[int], folder: Path, *, snapshots: int, dtype: str
) -> list[Task]:
    """The tasks that are left, after a look at what the folder already holds.

    Raises
    ------
    InputError: a resolution outside 64..2048, no encounter or two of one name, a file there that
        was made with other parameters
    """
    for resolution in resolutions:
        if resolution not in RESOLUTIONS:
            raise InputError(f"resolution {resolution} is outside {RESOLUTIONS[0]} to {RESOLUTIONS[-1]}")
    if dtype not in DTYPES:
        raise InputError(f"dtype {dtype!r}; allowed: {', '.join(DTYPES)}")
    names = [e.group_name for e in encounters]
    if not names or len(set(names)) < len(names):
        raise InputError(f"mergers {', '.join(names) or 'none'}: name at least one, each once")
    if not 2 <= snapshots <= SNAPSHOTS:
        raise InputError(f"snapshots {snapshots} is outside 2 to {SNAPSHOTS}")
    tasks = []
    for encounter in encounters:
        missing = tuple(
            r for r in sorted(set(resolutions)) if not _holds(folder / file_name(r), encounter, snapshots, dtype)
        )
        task = Task(encounter, snapshots, missing, dtype, folder)
        if task.simulation.exists():
            with opened(task.simulation) as file:
                simulation.require_same(file.attrs, encounter, snapshots, str(task.simulation))
        if missing:
            tasks.append(task)
    return tasks


def perform(task: Task, report: Report) -> Timing:
    """Do one task: the simulation, then the images; returns what each took."""
    report(task.name, 0.0)
    called = time.monotonic()
    if not task.simulation.exists():
        simulation.prepare(task.encounter)
    began = time.monotonic()
    if not task.simulation.exists():
        simulation.simulate(
            task.encounter, task.snapshots, task.simulation, lambda n: report(task.name, 0.9 * n / task.snapshots)
        )
    simulated = time.monotonic()
    stars = simulation.read(task.simulation)
    images = 0
    for number, resolution in enumerate(task.resolutions):
        if not _holds(task.part(resolution), task.encounter, task.snapshots, task.dtype):
            images += _render(stars, task, resolution)
        report(task.name, 0.9 + 0.1 * (number + 1) / len(task.resolutions))
    return Timing(task.name, began - called, simulated - began, time.monotonic() - simulated, images)


def finish(tasks: Iterable[Task], folder: Path, resolutions: Iterable[int]) -> list[Path]:
    """Join the parts of all tasks with the files that are there; one path per resolution."""
    tasks = list(tasks)
    paths = []
    for resolution in resolutions:
        path = folder / file_name(resolution)
        parts = [task.part(resolution) for task in tasks if resolution in task.resolutions]
        if parts:
            join(path, parts)
        for part in parts:
            part.unlink()
        paths.append(path)
    for emptied in (*sorted((folder / ".parts").glob("*")), folder / ".parts"):
        if emptied.is_dir() and not any(emptied.iterdir()):
            emptied.rmdir()
    return paths


def _holds(path: Path, encounter: Encounter, snapshots: int, dtype: str) -> bool:
    """Whether the file has this merger's images."""
    if not path.exists():
        return False
    with opened(path) as file:
        if encounter.group_name not in file:
            return False
        group = file[encounter.group_name]
        where = f"{path}: {encounter.group_name}"
        simulation.require_same(group.attrs, encounter, snapshots, where)
        found = group["images_camera_00"].dtype
        if found != np.dtype(dtype):
            raise InputError(f"{where} was made with dtype {found}, not {dtype}: choose another folder with --out")
    return True


def _render(stars: simulation.Simulation, task: Task, resolution: int) -> int:
    """All cameras' images of one merger, snapshot by snapshot; returns their number."""
    views = camera.viewpoints()
    with atomic_file(task.part(resolution)) as file:
        cameras = add_simulation(
            file, task.name, len(views), stars.times_myr, (resolution, task.dtype), stars.attributes
        )
        writers = [image_writer(dataset) for dataset in cameras]
        for i, position in enumerate(stars.star_position):
            scene = camera.scene(position, stars.star_mass)
            for write, direction in zip(writers, views, strict=True):
                pixels = camera.image(scene, direction, resolution)
                write(i, camera.as_uint8(pixels) if task.dtype == "uint8" else pixels)
    return len(views) * len(stars.times_myr)
