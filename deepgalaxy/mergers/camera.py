"""Virtual cameras: stellar surface density as square one-channel images (paper, section II.A)."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]

FIELD_OF_VIEW_KPC = 100.0
FAINTEST, BRIGHTEST = 1e6, 3e9
"""Surface densities at black and white, solar masses per kpc^2: fixed, so that images compare over time."""

SMOOTHING_KPC = (0.35, 0.7, 1.4, 2.8)
"""Standard deviations of the Gaussians that stars are smoothed with, the denser the neighbourhood the less."""

NEIGHBOURS = 16


class Scene(NamedTuple):
    """The stars of one moment. position: (N, 3), kpc; mass: (N,), solar masses; level: (N,) of `SMOOTHING_KPC`."""

    position: Floats
    mass: Floats
    level: NDArray[np.int64]


def scene(position: NDArray[Any], mass: NDArray[Any]) -> Scene:
    """Stars made ready for any number of cameras: each smoothed over half the way to its 16th neighbour."""
    position = np.asarray(position, dtype=np.float64)
    neighbours = min(NEIGHBOURS, len(position) - 1)
    distance = cKDTree(position).query(position, [neighbours + 1])[0][:, 0]
    steps = np.log2(np.maximum(distance / 2, SMOOTHING_KPC[0]) / SMOOTHING_KPC[0])
    level = np.clip(np.rint(steps), 0, len(SMOOTHING_KPC) - 1).astype(np.int64)
    return Scene(position, np.asarray(mass, dtype=np.float64), level)


def viewpoints() -> Floats:
    """Unit vectors towards the 14 cameras, (14, 3): the faces and the corners of a cube.

    The paper names the number, not the places; these are the most even 14 directions with
    cubic symmetry.
    """
    axes = [sign * axis for axis in np.eye(3) for sign in (1.0, -1.0)]
    corners = [np.array(corner) / np.sqrt(3) for corner in itertools.product((1.0, -1.0), repeat=3)]
    return np.array(axes + corners)


def image(stars: Scene, direction: Floats, resolution: int) -> NDArray[np.float32]:
    """What a camera in `direction` sees of the stars around the origin.

    Returns
    -------
    (resolution, resolution, 1) float32 in [0, 1]: logarithm of the smoothed surface density
    between `FAINTEST` and `BRIGHTEST`
    """
    right, up = _screen_axes(direction)
    pixel_kpc = FIELD_OF_VIEW_KPC / resolution
    margin = int(np.ceil(2 * SMOOTHING_KPC[-1] / pixel_kpc))  # what lies just outside shines in, and nothing wraps
    size = fft.next_fast_len(resolution + 2 * margin, real=True)
    column = np.floor(stars.position @ right / pixel_kpc + resolution / 2).astype(np.int64) + margin
    row = np.floor(resolution / 2 - stars.position @ up / pixel_kpc).astype(np.int64) + margin
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    flat = row * size + column
    spectrum = np.zeros((size, size // 2 + 1), np.complex64)
    for level, smoothing in enumerate(SMOOTHING_KPC):
        chosen = inside & (stars.level == level)
        if chosen.any():
            grid = np.bincount(flat[chosen], stars.mass[chosen], size**2).astype(np.float32)
            spectrum += fft.rfft2(grid.reshape(size, size)) * _gaussian(size, smoothing / pixel_kpc)
    density = fft.irfft2(spectrum, (size, size))[margin : margin + resolution, margin : margin + resolution]
    density = np.maximum(density / np.float32(pixel_kpc**2), np.float32(FAINTEST))
    stretched = np.log(density / np.float32(FAINTEST)) / np.float32(np.log(BRIGHTEST / FAINTEST))
    pixels: NDArray[np.float32] = np.minimum(stretched, np.float32(1))[..., None]
    return pixels


def as_uint8(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Images in [0, 1] as 0 to 255."""
    coarse: NDArray[np.uint8] = np.rint(pixels * 255).astype(np.uint8)
    return coarse


@lru_cache(maxsize=len(SMOOTHING_KPC))  # the same for all images of one resolution
def _gaussian(size: int, sigma: float) -> NDArray[np.float32]:
    """Transform of a Gaussian of standard deviation `sigma` pixels, on rfft2's grid.

    Of the Gaussian as pixels hold it, normalised: the transform of the continuous one would ring
    where it is narrower than a pixel.
    """
    offset = np.minimum(np.arange(size), size - np.arange(size))
    kernel = np.exp(-0.5 * (offset / sigma) ** 2)
    kernel /= kernel.sum()
    across = np.real(np.fft.rfft(kernel))  # even, so real
    along = np.real(np.fft.fft(kernel))
    product: NDArray[np.float32] = np.outer(along, across).astype(np.float32)
    return product


def _screen_axes(direction: Floats) -> tuple[Floats, Floats]:
    """Right and up of the image plane; north is +z, or +y for cameras on the z axis."""
    north = np.array([0.0, 1.0, 0.0]) if abs(direction[2]) > 0.99 else np.array([0.0, 0.0, 1.0])
    right = np.cross(north, direction)
    right /= np.linalg.norm(right)
    return right, np.cross(direction, right)
