"""Two galaxies on a collision course, followed from approach to relaxed remnant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.errors import InputError
from deepgalaxy.mergers import G_KPC_KMS2_PER_MSUN as G
from deepgalaxy.mergers import MYR_PER_TIME_UNIT
from deepgalaxy.mergers.galaxy import Galaxy
from deepgalaxy.mergers.gravity import dynamical_times
from deepgalaxy.mergers.integrator import leapfrog
from deepgalaxy.mergers.particles import Particles

SNAPSHOT_INTERVAL_MYR = 5.0
SNAPSHOTS = 71

RATIOS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Of mass and of size: the grid of 36 simulations."""

STEP_PER_DYNAMICAL_TIME = 0.25
STEP_RANGE_MYR = (5 / 18, 5 / 6)
"""The default step: a quarter of the dynamical time of the densest 1%, within this range.

What it is for is an energy error within 1e-3 all over the grid. Below 5/18 Myr only galaxies come
that are both compact and heavy; most of the energy is theirs, and the error in proportion small.
"""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Encounter:
    """A merger of the paper's grid: mass and size of the second galaxy relative to the first.

    Two equal galaxies start at `separation_kpc` with `approach_speed`, in units of the parabolic
    speed (Toomre & Toomre 1972), on the Kepler orbit of pericentre `pericentre_kpc`. The defaults
    are a bound orbit that shows the whole story within 71 snapshots: contact near class 20, as in
    the paper's Fig. 1, a second encounter, and a remnant that has had time to relax. For other
    masses the orbit's lengths scale with the cube root of the total mass, which leaves its times as
    they are, so that every merger of the grid makes contact near the same class.
    `inclinations_deg` tilt the two discs about the x axis.
    `particles` counts both galaxies together, shared in proportion to their masses.
    `time_step_myr` is the integrator's; left out, it follows from the densest places of the two.

    Raises
    ------
    InputError: a parameter out of its range
    """

    mass_ratio: float = 1.0
    size_ratio: float = 1.0
    particles: int = 10_000
    seed: int = 0
    separation_kpc: float = 45.0
    approach_speed: float = 0.5
    pericentre_kpc: float = 3.0
    inclinations_deg: tuple[float, float] = (15.0, 60.0)
    time_step_myr: float | None = None
    galaxy: Galaxy = field(default_factory=Galaxy)

    def __post_init__(self) -> None:
        for name in ("mass_ratio", "size_ratio", "separation_kpc", "approach_speed", "pericentre_kpc"):
            if not 0 < getattr(self, name) < np.inf:
                raise InputError(f"{name} {getattr(self, name)} is not positive")
        if self.particles < 200:
            raise InputError(f"particles {self.particles} is too small: 200 or more is allowed")
        if self.time_step_myr is not None and not 0 < self.time_step_myr <= SNAPSHOT_INTERVAL_MYR:
            raise InputError(f"time_step_myr {self.time_step_myr} is not above 0 and up to {SNAPSHOT_INTERVAL_MYR:g}")
        if self.pericentre_kpc > self.separation_kpc:
            raise InputError(
                f"pericentre_kpc {self.pericentre_kpc} is larger than separation_kpc {self.separation_kpc}"
            )

    @property
    def group_name(self) -> str:
        """Name of the HDF5 group, e.g. `s_1.25_m_0.5`."""
        return f"s_{self.size_ratio:g}_m_{self.mass_ratio:g}"

    def initial_state(self) -> Particles:
        """Both galaxies, sampled and set on their orbit, centre of mass at rest at the origin."""
        rng = np.random.default_rng(self.seed)
        first, second = self.galaxy, self.galaxy.scaled(self.mass_ratio, self.size_ratio)
        n_second = max(100, round(self.particles * self.mass_ratio / (1 + self.mass_ratio)))
        placed = []
        offset, speed = self._orbit()
        softening = first.softening(self.particles - n_second)  # for both, lest a compact second needs tiny steps
        for model, n, tilt, weight in (
            (first, self.particles - n_second, self.inclinations_deg[0], second.mass),
            (second, n_second, self.inclinations_deg[1], -first.mass),
        ):
            body = model.sample(n, rng, softening)
            turn = _about_x(np.radians(tilt))
            share = weight / (first.mass + second.mass)
            placed.append(
                body.with_phase_space(
                    body.position @ turn.T + share * offset,
                    body.velocity @ turn.T + share * speed,
                )
            )
        return placed[0].joined(placed[1]).at_rest()

    def snapshots(self, count: int = SNAPSHOTS) -> Iterator[tuple[float, Particles]]:
        """(time in Myr, state) at 0, 5, 10, ... Myr; `count` of them."""
        state = self.initial_state()
        yield 0.0, state
        per_snapshot = self.steps_per_snapshot(state)
        dt = SNAPSHOT_INTERVAL_MYR / per_snapshot / MYR_PER_TIME_UNIT
        states = leapfrog(state, dt, per_snapshot * (count - 1))
        for step, state in enumerate(states, start=1):
            if step % per_snapshot == 0:
                yield step // per_snapshot * SNAPSHOT_INTERVAL_MYR, state

    def steps_per_snapshot(self, state: Particles) -> int:
        """Integration steps in the 5 Myr between snapshots, for the encounter that begins with `state`."""
        step_myr = self.time_step_myr
        if step_myr is None:
            densest = float(np.quantile(dynamical_times(state), 0.01)) * MYR_PER_TIME_UNIT
            step_myr = float(np.clip(STEP_PER_DYNAMICAL_TIME * densest, *STEP_RANGE_MYR))
        return int(np.ceil(SNAPSHOT_INTERVAL_MYR / step_myr - 1e-9))

    def _orbit(self) -> tuple[Floats, Floats]:
        """Relative position (kpc) and velocity (km/s) of the two galaxies as points, in the x-y plane."""
        mass = self.galaxy.mass * (1 + self.mass_ratio)
        stretch = ((1 + self.mass_ratio) / 2) ** (1 / 3)
        separation, pericentre = stretch * self.separation_kpc, stretch * self.pericentre_kpc
        speed = self.approach_speed * np.sqrt(2 * G * mass / separation)
        energy = speed**2 / 2 - G * mass / separation
        spin = pericentre * np.sqrt(2 * (energy + G * mass / pericentre))
        tangential = spin / separation
        radial = -np.sqrt(max(speed**2 - tangential**2, 0.0))
        return np.array([separation, 0.0, 0.0]), np.array([radial, tangential, 0.0])


def _about_x(angle: float) -> Floats:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
