"""One galaxy in equilibrium: an NFW dark-matter halo with a rotating exponential stellar disc."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid

from deepgalaxy.mergers import G_KPC_KMS2_PER_MSUN as G
from deepgalaxy.mergers.particles import Particles, accelerations

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Galaxy:
    """Masses in solar masses, lengths in kpc.

    The defaults make a massive, compact spiral: its crossing time is short enough that two of
    them approach, collide, merge and relax within the paper's 70 steps of 5 Myr.

    halo_scale_kpc: NFW scale radius (Navarro, Frenk & White 1996); halo_cut_kpc: where it ends
    disc_scale_kpc: exponential scale length; disc_height_kpc: scale height of the sech^2 profile
    toomre_q: stability parameter at 2.5 scale lengths, sets the disc's velocity dispersion
    """

    halo_mass: float = 6e11
    halo_scale_kpc: float = 6.0
    halo_cut_kpc: float = 40.0
    disc_mass: float = 5e10
    disc_scale_kpc: float = 2.0
    disc_height_kpc: float = 0.25
    toomre_q: float = 1.3

    @property
    def mass(self) -> float:
        """Total mass, solar masses."""
        return self.halo_mass + self.disc_mass

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
        )

    def sample(self, particles: int, rng: np.random.Generator) -> Particles:
        """Draw `particles` equal numbers of halo and disc particles at rest around the origin.

        The disc lies in the x-y plane and turns about +z. Its rotation follows from the forces of
        the particles themselves, so that the sampled galaxy, not an idealised one, is in balance.
        """
        n_disc = particles // 2
        n_halo = particles - n_disc
        halo_position, halo_velocity = self._sample_halo(n_halo, rng)
        disc_position = self._sample_disc_positions(n_disc, rng)
        cold = Particles(
            position=np.concatenate([halo_position, disc_position]),
            velocity=np.concatenate([halo_velocity, np.zeros_like(disc_position)]),
            mass=np.concatenate([np.full(n_halo, self.halo_mass / n_halo), np.full(n_disc, self.disc_mass / n_disc)]),
            is_star=np.arange(particles) >= n_halo,
        )
        velocity = cold.velocity.copy()
        velocity[cold.is_star] = self._disc_velocities(cold, rng)
        return cold.with_phase_space(cold.position, velocity).at_rest()

    def _sample_halo(self, n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Positions (kpc) from the NFW profile up to its cut, velocities (km/s) from the Jeans equation.

        The dispersion is that of an isotropic halo in the potential of halo and disc together
        (Hernquist 1993). Distribution functions of the bare, endless profile are no way round: cut
        off, they gave a halo with 0.8 of the kinetic energy that it needs, and without its disc.
        """
        radius = np.geomspace(1e-3, 1.0, 2000) * self.halo_cut_kpc
        halo = _nfw_mass(radius / self.halo_scale_kpc)
        halo *= self.halo_mass / halo[-1]
        x = radius / self.disc_scale_kpc
        enclosed = halo + self.disc_mass * (1 - (1 + x) * np.exp(-x))  # the disc as if it were spherical
        density = np.gradient(halo, radius) / radius**2
        inward = G * enclosed / radius**2
        sigma = np.sqrt(_integral_outwards(density * inward, radius) / density)
        escape = np.sqrt(2 * (_integral_outwards(inward, radius) + G * enclosed[-1] / radius[-1]))
        r = np.interp(rng.random(n), halo / halo[-1], radius)
        velocity = rng.normal(size=(n, 3)) * np.interp(r, radius, sigma)[:, None]
        bound = 0.95 * np.interp(r, radius, escape)
        speed = np.linalg.norm(velocity, axis=1)
        velocity *= np.minimum(1.0, bound / speed)[:, None]
        return r[:, None] * _directions(n, rng), velocity

    def _sample_disc_positions(self, n: int, rng: np.random.Generator) -> Floats:
        """Exponential in radius (a gamma deviate of shape 2), sech^2 in height."""
        radius = rng.gamma(2.0, self.disc_scale_kpc, n)
        phi = rng.uniform(0, 2 * np.pi, n)
        height = self.disc_height_kpc * np.arctanh(rng.uniform(-0.999, 0.999, n))
        return np.stack([radius * np.cos(phi), radius * np.sin(phi), height], axis=1)

    def _disc_velocities(self, cold: Particles, rng: np.random.Generator) -> Floats:
        """Near-circular orbits with the dispersions of Hernquist (1993), epicyclic approximation."""
        x, y, _ = cold.position[cold.is_star].T
        radius = np.hypot(x, y)
        a_x, a_y, _ = accelerations(cold)[cold.is_star].T
        inward = -(a_x * x + a_y * y) / radius
        knots, circular = _smooth_curve(radius, np.sqrt(np.clip(inward * radius, 0, None)))
        omega = circular / knots
        kappa = np.sqrt(np.clip(2 * omega / knots * np.gradient(knots * circular, knots), 1e-12, None))
        surface = self.disc_mass / (2 * np.pi * self.disc_scale_kpc**2) * np.exp(-knots / self.disc_scale_kpc)
        at = np.argmin(np.abs(knots - 2.5 * self.disc_scale_kpc))
        sigma_r = self.toomre_q * 3.36 * G * surface[at] / kappa[at]
        sigma_r = sigma_r * np.exp(-(knots - knots[at]) / (2 * self.disc_scale_kpc))
        sigma_r = np.minimum(sigma_r, 0.6 * circular)
        ratio = np.clip(kappa**2 / (4 * omega**2), 0.25, 1.0)
        drift = circular**2 + sigma_r**2 * (1 - ratio - 2 * knots / self.disc_scale_kpc)
        sigma_z = np.sqrt(np.pi * G * surface * self.disc_height_kpc)

        def at_stars(curve: Floats) -> Floats:
            return np.interp(radius, knots, curve)

        v_r = rng.normal(0, at_stars(sigma_r))
        v_phi = rng.normal(at_stars(np.sqrt(np.clip(drift, 0, None))), at_stars(sigma_r * np.sqrt(ratio)))
        v_z = rng.normal(0, at_stars(sigma_z))
        return np.stack([(v_r * x - v_phi * y) / radius, (v_r * y + v_phi * x) / radius, v_z], axis=1)


def _nfw_mass(x: Floats) -> Floats:
    """Mass within x scale radii, in units of 4 pi rho_0 a^3 (Navarro, Frenk & White 1996)."""
    mass: Floats = np.log1p(x) - x / (1 + x)
    return mass


def _integral_outwards(values: Floats, radius: Floats) -> Floats:
    """Integral of `values` from each radius to the last."""
    inwards: Floats = cumulative_trapezoid(values[::-1], -radius[::-1], initial=0)[::-1]
    return inwards


def _directions(n: int, rng: np.random.Generator) -> Floats:
    """Unit vectors, evenly over the sphere, (n, 3)."""
    vectors = rng.normal(size=(n, 3))
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _smooth_curve(radius: Floats, value: Floats, knots: int = 24) -> tuple[Floats, Floats]:
    """Medians of `value` in bins of equal occupation: shot noise must not enter the rotation curve."""
    order = np.argsort(radius)
    bins = np.array_split(order, min(knots, max(2, len(order) // 20)))
    return (
        np.array([np.median(radius[b]) for b in bins]),
        np.array([np.median(value[b]) for b in bins]),
    )
