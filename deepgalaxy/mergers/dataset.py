"""Simulate mergers, photograph them, and write the DeepGalaxy HDF5 files."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np

from deepgalaxy import __version__
from deepgalaxy.data.layout import add_simulation, atomic_file
from deepgalaxy.errors import InputError
from deepgalaxy.mergers import camera
from deepgalaxy.mergers.encounter import SNAPSHOT_INTERVAL_MYR, SNAPSHOTS, Encounter
from deepgalaxy.mergers.particles import energy

RESOLUTIONS = range(64, 2049)


def file_name(resolution: int) -> str:
    """Name of the file that holds the images of one resolution."""
    return f"mergers_{resolution}.hdf5"


def simulate(
    encounters: Sequence[Encounter],
    resolutions: Sequence[int],
    folder: Path,
    *,
    snapshots: int = SNAPSHOTS,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> list[Path]:
    """Run every encounter and write one file per resolution into `folder`.

    A file appears only when all its simulations are complete.
    `progress(simulation, snapshots done, of all)` is called after each snapshot.

    Raises
    ------
    InputError: a resolution outside 64..2048, no encounter or two of one name, `folder` not writable
    """
    for resolution in resolutions:
        if resolution not in RESOLUTIONS:
            raise InputError(f"resolution {resolution} is outside {RESOLUTIONS[0]} to {RESOLUTIONS[-1]}")
    names = [e.group_name for e in encounters]
    if not names or len(set(names)) < len(names):
        raise InputError(f"mergers {', '.join(names) or 'none'}: name at least one, each once")
    if not 2 <= snapshots <= SNAPSHOTS:
        raise InputError(f"snapshots {snapshots} is outside 2 to {SNAPSHOTS}")
    paths = [folder / file_name(resolution) for resolution in resolutions]
    with ExitStack() as stack:
        files = [stack.enter_context(atomic_file(path)) for path in paths]
        for number, encounter in enumerate(encounters):
            done = number * snapshots

            def report(step: int, name: str = encounter.group_name, done: int = done) -> None:
                progress(name, done + step, len(encounters) * snapshots)

            _write_one(encounter, snapshots, dict(zip(resolutions, files, strict=True)), report)
    return paths


def _write_one(
    encounter: Encounter, snapshots: int, files: dict[int, h5py.File], report: Callable[[int], None]
) -> None:
    """Follow one encounter and fill its group in every file, image by image."""
    views = camera.viewpoints()
    times = SNAPSHOT_INTERVAL_MYR * np.arange(snapshots)
    attributes = {
        "parameters": json.dumps(dataclasses.asdict(encounter), sort_keys=True),
        "code_version": __version__,
    }
    datasets = {
        resolution: add_simulation(file, encounter.group_name, len(views), times, resolution, attributes)
        for resolution, file in files.items()
    }
    initial_energy = final_energy = 0.0
    for i, (_, state) in enumerate(encounter.snapshots(snapshots)):
        if i == 0:
            initial_energy = energy(state)
        if i == snapshots - 1:
            final_energy = energy(state)
        for resolution, cameras in datasets.items():
            for dataset, direction in zip(cameras, views, strict=True):
                dataset[i] = camera.image(state, direction, resolution)
        report(i + 1)
    for file in files.values():
        group = file[encounter.group_name]
        group.attrs["relative_energy_error"] = abs(final_energy / initial_energy - 1)
