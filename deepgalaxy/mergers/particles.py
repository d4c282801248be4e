"""Particles: where they are, how fast they move, what they weigh, and which of them shine."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Particles:
    """State of N particles.

    position: (N, 3), kpc; velocity: (N, 3), km/s; mass: (N,), solar masses
    is_star: (N,) bool, the others are dark matter
    softening: (N,), kpc, Plummer-equivalent
    """

    position: Floats
    velocity: Floats
    mass: Floats
    is_star: NDArray[np.bool_]
    softening: Floats

    def __len__(self) -> int:
        return len(self.mass)

    def with_phase_space(self, position: Floats, velocity: Floats) -> Particles:
        """The same particles elsewhere."""
        return replace(self, position=position, velocity=velocity)

    def at_rest(self) -> Particles:
        """Moved so that the centre of mass lies still at the origin."""
        return self.with_phase_space(
            self.position - np.average(self.position, axis=0, weights=self.mass),
            self.velocity - np.average(self.velocity, axis=0, weights=self.mass),
        )

    def joined(self, *others: Particles) -> Particles:
        """All sets as one."""
        sets = (self, *others)
        return Particles(
            position=np.concatenate([s.position for s in sets]),
            velocity=np.concatenate([s.velocity for s in sets]),
            mass=np.concatenate([s.mass for s in sets]),
            is_star=np.concatenate([s.is_star for s in sets]),
            softening=np.concatenate([s.softening for s in sets]),
        )

    def kinetic_energy(self) -> float:
        """Solar masses (km/s)^2."""
        return float(0.5 * np.sum(self.mass * np.sum(self.velocity**2, axis=1)))

    def momentum(self) -> Floats:
        """Total momentum, (3,), solar masses km/s."""
        total: Floats = self.mass @ self.velocity
        return total

    def angular_momentum(self) -> Floats:
        """Total angular momentum about the origin, (3,), solar masses kpc km/s."""
        total: Floats = self.mass @ np.cross(self.position, self.velocity)
        return total
