"""Images for inference and search, one by one, from whatever they lie in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from deepgalaxy.data.batches import select
from deepgalaxy.data.layout import Catalogue, read_catalogue
from deepgalaxy.data.observed import Observed, Skipped, observed_images
from deepgalaxy.data.reader import Reader
from deepgalaxy.errors import InputError

HDF5_SUFFIXES = (".hdf5", ".h5")


def images_of(source: str, resolution: int, skipped: Callable[[Skipped], None]) -> tuple[Iterator[Observed], int]:
    """The images of an HDF5 file, an image, a folder of images, or `hubble`, and how many there are.

    skipped: is told of each that can't be read and is left out

    Raises
    ------
    InputError: nothing there, no images, a file of another resolution
    """
    if Path(source).suffix in HDF5_SUFFIXES:
        catalogue = catalogue_of(Path(source), resolution)
        return _simulated(catalogue), catalogue.images
    return observed_images(source, resolution, skipped)


def catalogue_of(path: Path, resolution: int) -> Catalogue:
    """The catalogue of a file whose images a model of `resolution` is to read.

    Raises
    ------
    InputError: missing, damaged, or of another resolution
    """
    catalogue = read_catalogue(path)
    if catalogue.resolution != resolution:
        raise InputError(f"{path} holds images of {catalogue.resolution} pixels, the model takes {resolution}")
    return catalogue


def simulated_name(simulation: str, camera: int, label: int) -> str:
    """Name of a simulated image."""
    return f"{simulation}/camera_{camera:02d}/class_{label:02d}"


def _simulated(catalogue: Catalogue) -> Iterator[Observed]:
    examples = select(catalogue)
    reader = Reader(catalogue, examples)
    for i, label in enumerate(examples.label):
        sequence = catalogue.sequences[examples.sequence[i]]
        yield Observed(simulated_name(sequence.group, sequence.camera, label), reader.read(np.array([i]))[0])
