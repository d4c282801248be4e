"""Images read from an HDF5 file by their numbers, each by itself, and looked at before they are used."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from deepgalaxy.data.batches import Examples
from deepgalaxy.data.chunks import image_reader
from deepgalaxy.data.layout import Catalogue
from deepgalaxy.errors import InputError

BRIGHTEST_TOLERATED = 1.001
"""Float images lie in [0, 1], but for rounding."""

METADATA_CACHE_BYTES = 2**20


class Reader:
    """Reads chosen examples; the file stays open, and no more than what was asked for is in memory."""

    def __init__(self, catalogue: Catalogue, examples: Examples) -> None:
        self._catalogue, self._examples = catalogue, examples
        # Every image is a chunk, read whole and once: HDF5's cache, a MiB for each of hundreds of
        # data sets, would only grow.
        self._file = h5py.File(catalogue.path, "r", rdcc_nbytes=0)
        _keep_little_metadata(self._file)
        self._read_image = [image_reader(self._file[s.dataset]) for s in catalogue.sequences]

    def read(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Images (len(chosen), H, H, 1) float32 in [0, 1].

        Raises
        ------
        InputError: an image that can't be read, is not finite or not in [0, 1]; says where it is
        """
        edge = self._catalogue.resolution
        images = np.empty((len(chosen), edge, edge, 1), self._catalogue.dtype)
        for row, i in enumerate(chosen):
            try:
                self._read_image[self._examples.sequence[i]](int(self._examples.frame[i]), images[row])
            except (OSError, RuntimeError, ValueError) as error:
                raise InputError(f"{self._where(int(i))} can't be read: {error}") from None
        if images.dtype == np.uint8:
            return np.multiply(images, np.float32(1 / 255), dtype=np.float32)
        self._check(images, chosen)
        return images.astype(np.float32, copy=False)

    def _check(self, images: NDArray[Any], chosen: NDArray[np.int64]) -> None:
        # One pass each; a NaN makes both false.
        if images.size and not (images.min() >= 0 and images.max() <= BRIGHTEST_TOLERATED):
            for row, i in enumerate(chosen):
                low, high = images[row].min(), images[row].max()
                if not (low >= 0 and high <= BRIGHTEST_TOLERATED):
                    what = "is not finite" if not np.isfinite(low + high) else f"has values from {low:g} to {high:g}"
                    raise InputError(f"{self._where(int(i))} {what}: float images lie in [0, 1]")

    def _where(self, i: int) -> str:
        sequence = self._catalogue.sequences[self._examples.sequence[i]]
        return f"{self._catalogue.path}: {sequence.dataset}[{self._examples.frame[i]}]"


def _keep_little_metadata(file: h5py.File) -> None:
    """Bound HDF5's cache of where chunks lie: it grows with the file, and reads are no faster for it."""
    config = file.id.get_mdc_config()
    config.set_initial_size = True
    config.initial_size = config.min_size = config.max_size = METADATA_CACHE_BYTES
    file.id.set_mdc_config(config)
