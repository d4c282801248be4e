"""Halo and bulge: `galpy` samples their equilibrium in the gravity of the whole galaxy."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from galpy.df import eddingtondf

Floats = NDArray[np.float64]

EDGE_PER_CUT = 8.0
"""No halo particle is placed further out than this many cut radii: 0.1% of the mass would be."""

NODES, NEAR_NODES, HALVINGS = 100, 8, 80
"""Of the integrals in `eddington`, and to find a radius between 1e-12 and 1e3 edges to the last bit. Twice the nodes
change a distribution function by less than 1e-5."""


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


@lru_cache(maxsize=4)
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
    found = eddingtondf(pot=whole, denspot=tracer, rmax=EDGE_PER_CUT * shape.halo_cut, scale=scale)
    found.fE = partial(eddington, found)
    return found


def eddington(distribution: eddingtondf, energies: Floats) -> Floats:
    """Eddington's formula at `energies` (N,), all in one: galpy's own `fE` takes ten seconds for what it tabulates.

    The integral is over radii r = r_E exp(y^2), where r_E is the outermost that the energy reaches: what diverges there
    cancels. Density and gravity of galaxy and tracer are galpy's. Binney & Tremaine 2008, eq. 4.46b, without its second
    term, which is zero for densities that fall as these do. In the units of `Shape`, with G = 1.
    """
    from galpy.potential import evaluatePotentials, evaluateR2derivs, evaluateRforces

    whole, edge = distribution._pot, distribution._rmax
    low, high = np.full(energies.shape, 1e-12), np.full(energies.shape, 1e3 * edge)
    for _ in range(HALVINGS):
        middle = np.sqrt(low * high)
        within = evaluatePotentials(whole, middle, 0) < energies
        low, high = np.where(within, middle, low), np.where(within, high, middle)
    reached = high[:, None]
    nodes, weights = _gauss(NODES)
    span = np.sqrt(np.log(1e4 * edge / reached))
    y = span * nodes
    r = reached * np.exp(y**2)
    # Close to r_E the difference of two potentials would be all rounding: there it is the integral of the force.
    near, near_weights = _gauss(NEAR_NODES)
    further = (reached * np.expm1(y**2))[..., None]
    climbed = -np.sum(near_weights * further * evaluateRforces(whole, reached[..., None] + further * near, 0), axis=-1)
    above = np.where(r < 2 * reached, climbed, evaluatePotentials(whole, r, 0) - energies[:, None])
    force = evaluateRforces(whole, r, 0)
    slope, curvature = distribution._dnudr(r), distribution._d2nudr2(r)
    integrand = (force * curvature + slope * evaluateR2derivs(whole, r, 0)) / force**2 / np.sqrt(above)
    found: Floats = -np.sum(weights * span * 2 * y * r * integrand, axis=1) / (np.sqrt(8) * np.pi**2)
    return found


def _gauss(count: int) -> tuple[Floats, Floats]:
    """Nodes and weights of Gauss and Legendre on 0 to 1, (count,) each."""
    nodes, weights = np.polynomial.legendre.leggauss(count)  # type: ignore[no-untyped-call]
    return (nodes + 1) / 2, weights / 2


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
