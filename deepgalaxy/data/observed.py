"""Observed galaxies without labels: FITS, PNG and JPEG of any size as the network's images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.Image import DecompressionBombError

from deepgalaxy.errors import InputError, first_line

FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")

HUBBLE = "hubble"
"""Stands for the galaxies of the Hubble Deep Field."""

Image = NDArray[np.float32]

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # ITU-R BT.709


class Observed(NamedTuple):
    """One image. name: of its file; pixels: (H, H, 1) float32 in [0, 1]; note: what was chosen in reading it."""

    name: str
    pixels: Image
    note: str = ""


class Skipped(NamedTuple):
    """A file that is no readable image, and why."""

    name: str
    reason: str


def observed_images(source: str, resolution: int, skipped: Callable[[Skipped], None]) -> tuple[Iterator[Observed], int]:
    """The images of a folder, one image, or the galaxies of `hubble`, and how many there are to read.

    Raises
    ------
    InputError: nothing there
    """
    if source == HUBBLE:
        galaxies = hubble_deep_field(resolution)
        return iter(galaxies), len(galaxies)
    files = image_files(Path(source))
    return observed(files, resolution, skipped), len(files)


def image_files(source: Path) -> list[Path]:
    """The image itself, or those in a folder, by name.

    Raises
    ------
    InputError: nothing there, no image in the folder, a file of another kind
    """
    if not source.exists():
        raise InputError(f"{source} does not exist")
    known = f"{', '.join((*FITS_SUFFIXES, *PICTURE_SUFFIXES))} are read"
    if source.is_file():
        if not _is_image(source):
            raise InputError(f"{source} is not an image: {known}")
        return [source]
    files = sorted(path for path in source.iterdir() if path.is_file() and _is_image(path))
    if not files:
        raise InputError(f"no image in folder {source}: {known}")
    return files


def observed(files: Sequence[Path], resolution: int, skipped: Callable[[Skipped], None]) -> Iterator[Observed]:
    """Read images one by one; those that can't be read are left out, each told to `skipped`.

    Colours become luminance, the middle square is kept and resized with anti-aliasing. Pictures are
    taken as they are, FITS images have their sky subtracted and are stretched, as they hold fluxes.
    """
    for path in files:
        try:
            grey, note = _read_fits(path) if _is_fits(path) else (_read_picture(path), "")
            yield Observed(path.name, squared(grey, resolution), note)
        # What the readers raise on damaged files, and on pictures that would not fit the memory.
        except (OSError, ValueError, SyntaxError, TypeError, DecompressionBombError) as error:
            skipped(Skipped(path.name, first_line(error)))


def hubble_deep_field(resolution: int, most: int = 48) -> list[Observed]:
    """The largest galaxies of scikit-image's Hubble Deep Field (NASA/ESA, 1996), cut out; largest first."""
    from skimage import data, filters, measure
    from skimage.morphology import disk, opening

    field = data.hubble_deep_field().astype(np.float32) / 255 @ LUMINANCE
    smooth = filters.gaussian(field, 2)
    labels = measure.label(opening(smooth > np.median(smooth) + 0.12, disk(3)))
    found: list[Observed] = []
    for region in sorted(measure.regionprops(labels), key=lambda r: -r.area):
        row, column = (round(c) for c in region.centroid)
        half = max(12, round(1.5 * region.equivalent_diameter_area))
        if min(row, column, field.shape[0] - row, field.shape[1] - column) >= half and len(found) < most:
            cut = field[row - half : row + half, column - half : column + half]
            found.append(Observed(f"hdf_{row:03d}_{column:03d}", squared(cut, resolution)))
    return found


def squared(grey: NDArray[Any], resolution: int) -> Image:
    """The middle square of (H, W) in [0, 1], resized to (resolution, resolution, 1)."""
    from skimage.transform import resize

    edge = min(grey.shape)
    row, column = ((length - edge) // 2 for length in grey.shape)
    middle = np.asarray(grey[row : row + edge, column : column + edge], np.float32)
    if edge != resolution:
        middle = resize(middle, (resolution, resolution), order=1, anti_aliasing=resolution < edge)
    pixels: Image = np.clip(middle, 0, 1).astype(np.float32)[..., None]
    return pixels


def _read_picture(path: Path) -> Image:
    """PNG or JPEG of 8 or 16 bits, grey, with a palette, with colours, with transparency."""
    from PIL import Image as Pillow

    with Pillow.open(path) as picture:
        if picture.mode.startswith("I") or picture.mode == "F":
            deep: Image = np.array(picture, np.float32)
            deep /= np.float32(65535 if deep.max() > 255 else 255)
            return deep
        colours = np.asarray(picture.convert("RGB"), np.float32) / 255
    luminance: Image = (colours @ LUMINANCE).astype(np.float32)
    return luminance


def _read_fits(path: Path) -> tuple[Image, str]:
    """The first image of a FITS file, stretched to [0, 1], and a note where there were several."""
    import warnings

    from astropy.io import fits
    from astropy.stats import sigma_clipped_stats

    with warnings.catch_warnings(), fits.open(path, memmap=False) as extensions:
        warnings.simplefilter("ignore")  # on truncated files: what is missing shows below
        images = [h for h in extensions if h.is_image and h.data is not None and h.data.ndim >= 2]
        if not images:
            raise ValueError("no extension holds an image")
        flux = np.asarray(images[0].data, np.float32)
        note = f"the first of {len(images)} images, extension {images[0].name or 'primary'}" if len(images) > 1 else ""
        while flux.ndim > 2:
            flux = flux[0]
        finite = np.isfinite(flux)
        if not finite.any():
            raise ValueError("no pixel is finite")
        _, sky, noise = sigma_clipped_stats(flux[finite], sigma=3.0)
    flux = np.where(finite, flux - np.float32(sky), 0)
    return stretched(flux, float(noise)), note


def stretched(flux: NDArray[Any], noise: float) -> Image:
    """Fluxes above the sky as brightness in [0, 1]: asinh from the noise up to the brightest 0.1%."""
    from astropy.visualization import AsinhStretch

    top = float(np.quantile(flux, 0.999))
    if top <= 0:
        return np.zeros_like(flux, np.float32)
    softening = float(np.clip(2 * noise / top, 1e-4, 1.0))
    result: Image = AsinhStretch(softening)(np.clip(flux / top, 0, 1)).astype(np.float32)
    return result


def _is_fits(path: Path) -> bool:
    return path.name.lower().endswith(FITS_SUFFIXES)


def _is_image(path: Path) -> bool:
    return path.name.lower().endswith((*FITS_SUFFIXES, *PICTURE_SUFFIXES))
