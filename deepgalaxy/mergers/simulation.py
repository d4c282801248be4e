"""One merger, simulated once and kept: where its stars were at every snapshot, for any camera later."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from deepgalaxy import __version__
from deepgalaxy.data.layout import atomic_file, opened
from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.mergers.encounter import SNAPSHOT_INTERVAL_MYR, Encounter
from deepgalaxy.mergers.galaxy import Galaxy
from deepgalaxy.mergers.gravity import DIRECT_SUM_UP_TO, accelerations, energy
from deepgalaxy.mergers.particles import Particles

CHECKED_EVERY = 10
"""Snapshots between looks at the conserved quantities; the first close pass is near snapshot 20."""


class Simulation(NamedTuple):
    """The stars of a merger over time.

    times_myr: (T,); star_position: (T, N, 3) float32, kpc; star_mass: (N,), solar masses
    attributes: parameters, code version, errors of the conserved quantities
    """

    times_myr: NDArray[np.float64]
    star_position: NDArray[np.float32]
    star_mass: NDArray[np.float64]
    attributes: dict[str, object]


def identity(encounter: Encounter, snapshots: int) -> dict[str, object]:
    """What makes a simulation this one and no other, as attributes of its file and of its images."""
    return {
        "parameters": json.dumps(dataclasses.asdict(encounter), sort_keys=True),
        "seed": encounter.seed,
        "snapshots": snapshots,
        "code_version": __version__,
    }


def prepare(encounter: Encounter) -> None:
    """What a process does once, before its first simulation like `encounter`: compile the code of the forces, and build
    the distribution function of the halo.
    """
    _prepare(min(encounter.particles, DIRECT_SUM_UP_TO + 200), encounter.galaxy)


@functools.cache
def _prepare(particles: int, galaxy: Galaxy) -> None:
    state = Encounter(particles=particles, galaxy=galaxy).initial_state()
    accelerations(state)
    energy(state)


def simulate(encounter: Encounter, snapshots: int, path: Path, report: Callable[[int], None]) -> None:
    """Follow `encounter` and write its stars to `path`, at once and whole.

    report(snapshots done) is called after each.

    Raises
    ------
    InputError: `path` can't be written
    BadResultError: the energy is not finite
    """
    conserved = Conserved()
    times = SNAPSHOT_INTERVAL_MYR * np.arange(snapshots)
    with atomic_file(path) as file:
        for i, (_, state) in enumerate(encounter.snapshots(snapshots)):
            if i == 0:
                shape = (snapshots, int(state.is_star.sum()), 3)
                positions = file.create_dataset("star_position", shape, np.float32, chunks=(1, *shape[1:]))
                file.create_dataset("star_mass", data=state.mass[state.is_star])
            positions[i] = state.position[state.is_star]
            if i % CHECKED_EVERY == 0 or i == snapshots - 1:
                conserved.check(state)
            report(i + 1)
        file.create_dataset("t_myr", data=times)
        file.attrs.update(identity(encounter, snapshots) | conserved.errors())


def read(path: Path) -> Simulation:
    """A simulation written by `simulate`.

    Raises
    ------
    InputError: missing, damaged, or something else
    """
    with opened(path) as file:
        if not {"t_myr", "star_position", "star_mass"} <= set(file):
            raise InputError(f"{path} is no simulation: t_myr, star_position or star_mass is missing")
        return Simulation(file["t_myr"][:], file["star_position"][:], file["star_mass"][:], dict(file.attrs))


def energy_error(path: Path) -> float:
    """The largest relative error of a simulation's energy."""
    with opened(path) as file:
        return float(file.attrs["energy_error"])


def require_same(found: h5py.AttributeManager, encounter: Encounter, snapshots: int, where: str) -> None:
    """See to it that what was found at `where` is this simulation.

    Raises
    ------
    InputError: it was made with other parameters; names the first that differs
    """
    wanted = identity(encounter, snapshots)
    was, now = (json.loads(str(a.get("parameters", "{}"))) for a in (found, wanted))
    pairs = [(key, was.get(key), value) for key, value in now.items()]
    pairs += [(key, found.get(key), wanted[key]) for key in ("snapshots", "code_version")]
    for key, before, value in pairs:
        if before != json.loads(json.dumps(value)):
            raise InputError(f"{where} was made with {key} {before}, not {value}: choose another folder with --out")


class Conserved:
    """How far energy, momentum and angular momentum stray from their values at the start."""

    def __init__(self) -> None:
        self._start: Particles | None = None
        self._energy: list[float] = []
        self._momentum: list[float] = []
        self._spin: list[float] = []

    def check(self, state: Particles) -> None:
        """Look at them now."""
        self._start = start = self._start or state
        self._energy.append(energy(state))
        if not np.isfinite(self._energy[-1]):
            raise BadResultError("the simulation's energy is not finite")
        scale = np.sum(state.mass * np.linalg.norm(state.velocity, axis=1))
        self._momentum.append(float(np.linalg.norm(state.momentum() - start.momentum()) / scale))
        spin = start.angular_momentum()
        self._spin.append(float(np.linalg.norm(state.angular_momentum() - spin) / np.linalg.norm(spin)))

    def errors(self) -> dict[str, float]:
        """Relative errors: of energy the largest and the last; of momentum (in units of the sum of the
        particles' momenta) and of angular momentum the largest.
        """
        energy_error = np.abs(np.array(self._energy) / self._energy[0] - 1)
        return {
            "energy_error": float(energy_error.max()),
            "final_energy_error": float(energy_error[-1]),
            "momentum_error": max(self._momentum),
            "angular_momentum_error": max(self._spin),
        }
