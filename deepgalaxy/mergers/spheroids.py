"""Halo and bulge: `galpy` samples their equilibrium in the gravity of the whole galaxy."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from galpy.df import eddingtondf

Floats = NDArray[np.float64]

EDGE_PER_CUT = 8.0
"""No halo particle is placed further out than this many cut radii: 0.1% of the mass would be."""


class Shape(NamedTuple):
    """A galaxy in units of its halo's mass and scale radius: galaxies of one shape are each other's copies."""

    halo_cut: float
    disc_mass: float
    disc_scale: float
    bulge_mass: float
    bulge_scale: float


Component = Literal["halo", "bulge"]


def sample(component: Component, shape: Shape, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Positions and velocities (n, 3) of a component, in the units of `Shape`, with G = 1."""
    with _numpy_seeded(int(rng.integers(2**32))):
        drawn = _distribution(component, shape).sample(n=n, return_orbit=False)
    radius, v_radius, v_phi, z, v_z, phi = (np.asarray(q, dtype=np.float64) for q in drawn)
    cos, sin = np.cos(phi), np.sin(phi)
    position = np.stack([radius * cos, radius * sin, z], axis=1)
    velocity = np.stack([v_radius * cos - v_phi * sin, v_radius * sin + v_phi * cos, v_z], axis=1)
    return position, velocity


@lru_cache(maxsize=4)  # seconds to build
def _distribution(component: str, shape: Shape) -> eddingtondf:
    """Isotropic distribution function of a component in the potential of all, by Eddington's formula.

    The halo is NFW (Navarro, Frenk & White 1996) times an exponential cut, so that its mass is
    finite and no edge is sharp: the distribution function of the endless profile, cut off, has
    0.8 of the kinetic energy that it needs. The bulge is Hernquist's (1990). The disc counts as if
    it were spherical: the 1/r e^(-r/R) of its monopole is a truncated NFW with a vast scale radius.
    """
    from galpy.df import eddingtondf
    from galpy.potential import ExpTruncNFWPotential, HernquistPotential

    halo = ExpTruncNFWPotential(mass=1.0, a=1.0, rc=shape.halo_cut)
    whole = halo + ExpTruncNFWPotential(mass=shape.disc_mass, a=100 * shape.disc_scale, rc=shape.disc_scale)
    tracer = halo
    if shape.bulge_mass > 0:
        bulge = HernquistPotential(amp=2 * shape.bulge_mass, a=shape.bulge_scale)
        whole = whole + bulge
        tracer = bulge if component == "bulge" else halo
    scale = shape.bulge_scale if component == "bulge" else 1.0
    return eddingtondf(pot=whole, denspot=tracer, rmax=EDGE_PER_CUT * shape.halo_cut, scale=scale)


@contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Galpy draws from NumPy's global generator: seed it, and put it back as it was."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # galpy's on optional C extensions and interpolation ranges
            yield
    finally:
        np.random.set_state(before)
