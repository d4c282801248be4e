"""Virtual cameras: stellar surface density as square one-channel images (paper, section II.A)."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from deepgalaxy.mergers.particles import Particles

Floats = NDArray[np.float64]

FIELD_OF_VIEW_KPC = 80.0
SMOOTHING_KPC = 0.5
FAINTEST, BRIGHTEST = 1e6, 3e9
"""Surface densities at black and white, solar masses per kpc^2: fixed, so that images compare over time."""


def viewpoints() -> Floats:
    """Unit vectors towards the 14 cameras, (14, 3): the faces and the corners of a cube.

    The paper names the number, not the places; these are the most even 14 directions with
    cubic symmetry.
    """
    axes = [sign * axis for axis in np.eye(3) for sign in (1.0, -1.0)]
    corners = [np.array(corner) / np.sqrt(3) for corner in itertools.product((1.0, -1.0), repeat=3)]
    return np.array(axes + corners)


def image(
    stars: Particles,
    direction: Floats,
    resolution: int,
    field_of_view_kpc: float = FIELD_OF_VIEW_KPC,
) -> NDArray[np.float32]:
    """What a camera in `direction` sees of the stars around the origin.

    Returns
    -------
    (resolution, resolution, 1) float32 in [0, 1]: logarithm of the smoothed surface density
    between `FAINTEST` and `BRIGHTEST`
    """
    right, up = _screen_axes(direction)
    position = stars.position[stars.is_star]
    mass = stars.mass[stars.is_star]
    pixel_kpc = field_of_view_kpc / resolution
    column = np.floor(position @ right / pixel_kpc + resolution / 2).astype(np.int64)
    row = np.floor(resolution / 2 - position @ up / pixel_kpc).astype(np.int64)
    inside = (column >= 0) & (column < resolution) & (row >= 0) & (row < resolution)
    flat = np.bincount(row[inside] * resolution + column[inside], mass[inside], resolution**2)
    density = gaussian_filter(flat.reshape(resolution, resolution) / pixel_kpc**2, SMOOTHING_KPC / pixel_kpc)
    stretched = np.log(np.maximum(density, FAINTEST) / FAINTEST) / np.log(BRIGHTEST / FAINTEST)
    pixels: NDArray[np.float32] = np.clip(stretched, 0, 1).astype(np.float32)[..., None]
    return pixels


def _screen_axes(direction: Floats) -> tuple[Floats, Floats]:
    """Right and up of the image plane; north is +z, or +y for cameras on the z axis."""
    north = np.array([0.0, 1.0, 0.0]) if abs(direction[2]) > 0.99 else np.array([0.0, 0.0, 1.0])
    right = np.cross(north, direction)
    right /= np.linalg.norm(right)
    return right, np.cross(direction, right)
