"""Particles, their gravity (Barnes-Hut tree, `pytreegrav`) and a symplectic integrator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.mergers import G_KPC_KMS2_PER_MSUN as G

Floats = NDArray[np.float64]

DIRECT_SUM_UP_TO = 8_000


@dataclass(frozen=True)
class Particles:
    """State of N particles.

    position: (N, 3), kpc; velocity: (N, 3), km/s; mass: (N,), solar masses
    is_star: (N,) bool, the others are dark matter
    softening_kpc: Plummer-equivalent softening; theta: opening angle of the tree
    """

    position: Floats
    velocity: Floats
    mass: Floats
    is_star: NDArray[np.bool_]
    softening_kpc: float = 0.2
    theta: float = 0.7

    def with_phase_space(self, position: Floats, velocity: Floats) -> Particles:
        """The same particles elsewhere."""
        return replace(self, position=position, velocity=velocity)

    def at_rest(self) -> Particles:
        """Moved so that the centre of mass lies still at the origin."""
        return self.with_phase_space(
            self.position - np.average(self.position, axis=0, weights=self.mass),
            self.velocity - np.average(self.velocity, axis=0, weights=self.mass),
        )

    def joined(self, other: Particles) -> Particles:
        """Both sets as one; softening and opening angle of this one."""
        return replace(
            self,
            position=np.concatenate([self.position, other.position]),
            velocity=np.concatenate([self.velocity, other.velocity]),
            mass=np.concatenate([self.mass, other.mass]),
            is_star=np.concatenate([self.is_star, other.is_star]),
        )


def accelerations(particles: Particles) -> Floats:
    """Gravity of all particles on each other, (N, 3), (km/s)^2 / kpc."""
    import pytreegrav  # compiles with numba: only when forces are asked for

    pull: Floats = pytreegrav.Accel(**_as_sources(particles))
    return pull


def energy(particles: Particles) -> float:
    """Total energy, solar masses (km/s)^2."""
    import pytreegrav

    potential = pytreegrav.Potential(**_as_sources(particles))
    kinetic = np.sum(particles.velocity**2, axis=1)
    return float(0.5 * np.sum(particles.mass * (kinetic + potential)))


def angular_momentum(particles: Particles) -> Floats:
    """Total angular momentum about the origin, (3,), solar masses kpc km/s."""
    spin: Floats = np.sum(particles.mass[:, None] * np.cross(particles.position, particles.velocity), axis=0)
    return spin


def leapfrog(particles: Particles, dt: float, steps: int) -> Iterator[Particles]:
    """Kick-drift-kick leapfrog: symplectic, second order in `dt` (kpc/(km/s)).

    Yields the state after each of `steps` steps.
    """
    acceleration = accelerations(particles)
    for _ in range(steps):
        velocity = particles.velocity + 0.5 * dt * acceleration
        particles = particles.with_phase_space(particles.position + dt * velocity, velocity)
        acceleration = accelerations(particles)
        particles = particles.with_phase_space(particles.position, velocity + 0.5 * dt * acceleration)
        yield particles


def _as_sources(particles: Particles) -> dict[str, Any]:
    """The particles as pytreegrav's arguments.

    Small sets are summed directly: exact, as fast as the tree, and spares a minute of compiling it.
    The softening is the support of its cubic spline, 2.8 times the Plummer-equivalent one (Springel
    et al. 2001).
    """
    return {
        "pos": particles.position,
        "m": particles.mass,
        "softening": np.full(len(particles.mass), 2.8 * particles.softening_kpc),
        "G": G,
        "theta": particles.theta,
        "parallel": True,
        "method": "bruteforce" if len(particles.mass) <= DIRECT_SUM_UP_TO else "tree",
    }
