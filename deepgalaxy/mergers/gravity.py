"""Gravity of the particles on each other: `pytreegrav`'s Barnes-Hut tree, or direct sums for few.

pytreegrav compiles with numba, its tree in every process anew (half a minute); its direct sums are
kept on disk. So sets of up to `DIRECT_SUM_UP_TO` particles, where the tree gains little, do
without it. Its `parallel` code is used also on one thread: it is the faster one there, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.mergers import G_KPC_KMS2_PER_MSUN as G
from deepgalaxy.mergers.particles import Particles

Floats = NDArray[np.float64]

DIRECT_SUM_UP_TO = 8_000

OPENING_ANGLE = 0.95
"""Of the forces' tree, with quadrupoles. At 0.9 energy errors are a tenth smaller and forces 4 to 10% slower;
monopoles at 0.7 cost the same and conserve energy half as well."""

SPLINE_PER_PLUMMER = 2.8
"""Support of pytreegrav's softening spline per Plummer-equivalent softening (Springel et al. 2001)."""


def accelerations(particles: Particles) -> Floats:
    """Pull of all particles on each other, (N, 3), (km/s)^2 / kpc."""
    import pytreegrav  # a second to import: only where forces are computed

    pull: Floats = pytreegrav.Accel(
        particles.position, particles.mass, _support(particles), theta=OPENING_ANGLE, **_options(particles)
    )
    return pull


def energy(particles: Particles) -> float:
    """Total energy, solar masses (km/s)^2; more exact than the forces, as it is what checks them."""
    import pytreegrav

    potential = pytreegrav.Potential(
        particles.position, particles.mass, _support(particles), theta=0.7, **_options(particles)
    )
    return particles.kinetic_energy() + float(0.5 * np.sum(particles.mass * potential))


def dynamical_times(particles: Particles, sample: int = 500) -> Floats:
    """1 / angular frequency of an orbit in the local tidal field, at up to `sample` particles, kpc/(km/s).

    From the Frobenius norm of the tidal tensor, exact for a Kepler orbit: Grudic & Hopkins 2020,
    MNRAS 495, 4306, eq. 6.
    """
    import pytreegrav

    chosen = np.linspace(0, len(particles) - 1, min(sample, len(particles))).astype(int)
    support = _support(particles)
    tensor = pytreegrav.TidalTensorTarget(
        particles.position[chosen],
        particles.position,
        particles.mass,
        support[chosen],
        support,
        G=G,
        method="bruteforce",
    )
    times: Floats = (np.sum(tensor**2, axis=(1, 2)) / 6) ** -0.25
    return times


def _support(particles: Particles) -> Floats:
    return SPLINE_PER_PLUMMER * particles.softening


def _options(particles: Particles) -> dict[str, Any]:
    return {
        "G": G,
        "parallel": True,
        "quadrupole": True,
        "group_size": 8,
        "method": "bruteforce" if len(particles) <= DIRECT_SUM_UP_TO else "tree",
    }
