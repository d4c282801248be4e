"""One galaxy in equilibrium: an NFW dark-matter halo with a rotating exponential disc, and maybe a bulge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.errors import InputError
from deepgalaxy.mergers import G_KPC_KMS2_PER_MSUN as G
from deepgalaxy.mergers import disc, spheroids
from deepgalaxy.mergers.gravity import accelerations
from deepgalaxy.mergers.particles import Particles

Floats = NDArray[np.float64]


class Softening(NamedTuple):
    """Plummer-equivalent softening of stars and halo particles, kpc."""

    stars_kpc: float
    halo_kpc: float


@dataclass(frozen=True, kw_only=True)
class Galaxy:
    """Masses in solar masses, lengths in kpc.

    The defaults make a massive, compact spiral: its crossing time is short enough that two of
    them approach, collide, merge and relax within the paper's 70 steps of 5 Myr.

    halo_scale_kpc: NFW scale radius; halo_cut_kpc: of the exponential that ends it
    disc_scale_kpc: exponential scale length; disc_height_kpc: scale height of the sech^2 profile
    toomre_q: stability parameter at 2.5 scale lengths, sets the disc's velocity dispersion
    bulge_mass: of a Hernquist sphere of scale bulge_scale_kpc; none by default

    Raises
    ------
    InputError: a mass or length that is not positive (the bulge's mass: negative)
    """

    halo_mass: float = 6e11
    halo_scale_kpc: float = 6.0
    halo_cut_kpc: float = 20.0
    disc_mass: float = 5e10
    disc_scale_kpc: float = 2.0
    disc_height_kpc: float = 0.25
    toomre_q: float = 1.3
    bulge_mass: float = 0.0
    bulge_scale_kpc: float = 0.4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not (value > 0 or (name == "bulge_mass" and value == 0)) or not np.isfinite(value):
                raise InputError(f"{name} {value} is not positive")

    @property
    def mass(self) -> float:
        """Total mass, solar masses."""
        return self.halo_mass + self.disc_mass + self.bulge_mass

    def scaled(self, mass_ratio: float, size_ratio: float) -> Galaxy:
        """The same galaxy with all masses times `mass_ratio` and all lengths times `size_ratio`."""
        return Galaxy(
            halo_mass=self.halo_mass * mass_ratio,
            halo_scale_kpc=self.halo_scale_kpc * size_ratio,
            halo_cut_kpc=self.halo_cut_kpc * size_ratio,
            disc_mass=self.disc_mass * mass_ratio,
            disc_scale_kpc=self.disc_scale_kpc * size_ratio,
            disc_height_kpc=self.disc_height_kpc * size_ratio,
            toomre_q=self.toomre_q,
            bulge_mass=self.bulge_mass * mass_ratio,
            bulge_scale_kpc=self.bulge_scale_kpc * size_ratio,
        )

    def softening(self, particles: int) -> Softening:
        """Softening that suits a galaxy of `particles`: half of 0.98 N^-0.26 scale lengths.

        The N^-0.26 is where the errors of the forces are least (Athanassoula et al. 2000, MNRAS 314,
        475); half of it, as their optimum is shallow and the inner disc is to be seen. Halo particles
        are the heavier ones: softened as little as the stars, they would heat the disc.
        """
        per_scale = 0.49 * (particles / 2) ** -0.26
        return Softening(per_scale * self.disc_scale_kpc, per_scale * self.halo_scale_kpc)

    def sample(self, particles: int, rng: np.random.Generator, softening: Softening | None = None) -> Particles:
        """Draw `particles` at rest around the origin: half of them halo, half stars.

        The disc lies in the x-y plane and turns about +z. Its rotation follows from the forces of
        the particles themselves, so that the sampled galaxy, not an idealised one, is in balance.
        """
        softening = softening or self.softening(particles)
        n_stars = particles // 2
        n_bulge = round(n_stars * self.bulge_mass / (self.disc_mass + self.bulge_mass))
        flat = disc.positions(n_stars - n_bulge, self.disc_scale_kpc, self.disc_height_kpc, rng)
        cold = _particles(flat, np.zeros_like(flat), self.disc_mass, softening.stars_kpc, is_star=True)
        others = [
            _particles(
                *self._spheroid("halo", particles - n_stars, rng), self.halo_mass, softening.halo_kpc, is_star=False
            )
        ]
        if n_bulge:
            others.append(
                _particles(*self._spheroid("bulge", n_bulge, rng), self.bulge_mass, softening.stars_kpc, is_star=True)
            )
        whole = cold.joined(*others)
        velocity = whole.velocity.copy()
        velocity[: len(cold)] = disc.velocities(
            flat,
            accelerations(whole)[: len(cold)],
            self.disc_mass,
            self.disc_scale_kpc,
            self.disc_height_kpc,
            self.toomre_q,
            rng,
        )
        return whole.with_phase_space(whole.position, velocity).at_rest()

    def _spheroid(self, component: spheroids.Component, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Positions (kpc) and velocities (km/s) of halo or bulge.

        In the shape's own units a galaxy and its scaled copies are the same, and its distribution
        function is built once; rounding keeps their last bits from telling them apart.
        """
        shape = spheroids.Shape(
            halo_cut=round(self.halo_cut_kpc / self.halo_scale_kpc, 9),
            disc_mass=round(self.disc_mass / self.halo_mass, 9),
            disc_scale=round(self.disc_scale_kpc / self.halo_scale_kpc, 9),
            bulge_mass=round(self.bulge_mass / self.halo_mass, 9),
            bulge_scale=round(self.bulge_scale_kpc / self.halo_scale_kpc, 9),
        )
        position, velocity = spheroids.sample(component, shape, n, rng)
        return position * self.halo_scale_kpc, velocity * np.sqrt(G * self.halo_mass / self.halo_scale_kpc)


def _particles(position: Floats, velocity: Floats, mass: float, softening_kpc: float, *, is_star: bool) -> Particles:
    """A component of total `mass` as particles of equal mass."""
    n = len(position)
    return Particles(position, velocity, np.full(n, mass / n), np.full(n, is_star), np.full(n, softening_kpc))
