"""The rotating stellar disc: exponential in radius, sech^2 in height, near-circular orbits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.mergers import G_KPC_KMS2_PER_MSUN as G

Floats = NDArray[np.float64]


def positions(n: int, scale_kpc: float, height_kpc: float, rng: np.random.Generator) -> Floats:
    """(n, 3), kpc, around the z axis; the radius is a gamma deviate of shape 2."""
    radius = rng.gamma(2.0, scale_kpc, n)
    phi = rng.uniform(0, 2 * np.pi, n)
    height = height_kpc * np.arctanh(rng.uniform(-0.999, 0.999, n))
    return np.stack([radius * np.cos(phi), radius * np.sin(phi), height], axis=1)


def velocities(
    position: Floats,
    acceleration: Floats,
    mass: float,
    scale_kpc: float,
    height_kpc: float,
    toomre_q: float,
    rng: np.random.Generator,
) -> Floats:
    """(n, 3), km/s: circular motion in the forces `acceleration` (n, 3) that act on the stars themselves,
    with the dispersions and the drift of Hernquist 1993 (ApJS 86, 389), epicyclic approximation.

    mass: of the disc, solar masses; toomre_q: its stability at 2.5 scale lengths
    """
    x, y, _ = position.T
    radius = np.hypot(x, y)
    inward = -(acceleration[:, 0] * x + acceleration[:, 1] * y) / radius
    knots, circular = _smooth_curve(radius, np.sqrt(np.clip(inward * radius, 0, None)))
    omega = circular / knots
    kappa = np.sqrt(np.clip(2 * omega / knots * np.gradient(knots * circular, knots), 1e-12, None))
    surface = mass / (2 * np.pi * scale_kpc**2) * np.exp(-knots / scale_kpc)
    at = np.argmin(np.abs(knots - 2.5 * scale_kpc))
    sigma_r = toomre_q * 3.36 * G * surface[at] / kappa[at] * np.exp(-(knots - knots[at]) / (2 * scale_kpc))
    sigma_r = np.minimum(sigma_r, 0.6 * circular)
    ratio = np.clip(kappa**2 / (4 * omega**2), 0.25, 1.0)
    drift = circular**2 + sigma_r**2 * (1 - ratio - 2 * knots / scale_kpc)
    sigma_z = np.sqrt(np.pi * G * surface * height_kpc)

    def at_stars(curve: Floats) -> Floats:
        return np.interp(radius, knots, curve)

    v_r = rng.normal(0, at_stars(sigma_r))
    v_phi = rng.normal(at_stars(np.sqrt(np.clip(drift, 0, None))), at_stars(sigma_r * np.sqrt(ratio)))
    v_z = rng.normal(0, at_stars(sigma_z))
    return np.stack([(v_r * x - v_phi * y) / radius, (v_r * y + v_phi * x) / radius, v_z], axis=1)


def _smooth_curve(radius: Floats, value: Floats, knots: int = 24) -> tuple[Floats, Floats]:
    """Medians of `value` in bins of equal occupation: shot noise must not enter the rotation curve."""
    order = np.argsort(radius)
    bins = np.array_split(order, min(knots, max(2, len(order) // 20)))
    return (
        np.array([np.median(radius[b]) for b in bins]),
        np.array([np.median(value[b]) for b in bins]),
    )
