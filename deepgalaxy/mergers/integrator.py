"""The kick-drift-kick leapfrog: symplectic, second order, one step for all.

One step for all, and the same throughout: steps that follow the particles' own times (blocks of
halved steps, re-sorted every few Myr) were tried, and broke the symplecticity: the energy drifted by
several per cent in 350 Myr where this one's stays within 0.1% at the same cost.
"""

from __future__ import annotations

from collections.abc import Iterator

from deepgalaxy.mergers.gravity import accelerations
from deepgalaxy.mergers.particles import Particles


def leapfrog(particles: Particles, dt: float, steps: int) -> Iterator[Particles]:
    """Yield the state after each of `steps` steps of `dt`, kpc/(km/s)."""
    acceleration = accelerations(particles)
    for _ in range(steps):
        velocity = particles.velocity + 0.5 * dt * acceleration
        particles = particles.with_phase_space(particles.position + dt * velocity, velocity)
        acceleration = accelerations(particles)
        particles = particles.with_phase_space(particles.position, velocity + 0.5 * dt * acceleration)
        yield particles
