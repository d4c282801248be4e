"""One image of an HDF5 data set into an array or back, as fast as its storage allows.

Unpacking is nearly all that reading an image costs. Where each image is a chunk of its own, packed
by deflate with or without HDF5's byte shuffle, as in the files of this suite, its bytes are taken
as they are and unpacked by Intel's ISA-L, in half of the time that HDF5 takes with zlib. Packed by
it they are what HDF5 would have written, for any reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib
from isal.igzip_lib import IsalError
from numpy.typing import NDArray

ReadImage = Callable[[int, NDArray[Any]], None]
"""read(frame, out): image `frame` into `out`, (H, W, 1), contiguous and of the data set's type."""

WriteImage = Callable[[int, NDArray[Any]], None]
"""write(frame, pixels): image `frame` from `pixels`, (H, W, 1), of the data set's type."""

SHUFFLED_BYTES = 4


def image_reader(dataset: h5py.Dataset) -> ReadImage:
    """The fastest way to read single images of (T, H, W, 1).

    The function it returns raises OSError, RuntimeError or ValueError on damaged data.
    """
    return _deflated(dataset) if _is_ours(dataset) else _any_storage(dataset)


def image_writer(dataset: h5py.Dataset) -> WriteImage:
    """The fastest way to write single images of (T, H, W, 1)."""
    if not _is_ours(dataset):
        return dataset.__setitem__  # type: ignore[no-any-return]

    def write(frame: int, pixels: NDArray[Any]) -> None:
        flat = np.ascontiguousarray(pixels, dataset.dtype).reshape(-1)
        if _is_shuffled(dataset):
            flat = np.ascontiguousarray(flat.view(np.uint8).reshape(-1, SHUFFLED_BYTES).T)
        dataset.id.write_direct_chunk((frame, 0, 0, 0), isal_zlib.compress(flat, 1))

    return write


def _is_ours(dataset: h5py.Dataset) -> bool:
    """Whether each image is one chunk, deflated, maybe shuffled, and nothing else."""
    plain = dataset.dtype in (np.float32, np.uint8)
    own_chunks = dataset.chunks == (1, *dataset.shape[1:])
    filters = dataset.id.get_create_plist().get_nfilters()
    return plain and own_chunks and dataset.compression == "gzip" and filters == 1 + bool(dataset.shuffle)


def _is_shuffled(dataset: h5py.Dataset) -> bool:
    """Whether HDF5's shuffle changes its bytes; single bytes it leaves as they are."""
    return bool(dataset.shuffle) and dataset.dtype.itemsize > 1


def _any_storage(dataset: h5py.Dataset) -> ReadImage:
    """HDF5's own way, spared h5py's general indexing and its copy."""
    shape = (1, *dataset.shape[1:])
    memory, space, source = h5py.h5s.create_simple(shape), dataset.id.get_space(), dataset.id

    def read(frame: int, out: NDArray[Any]) -> None:
        space.select_hyperslab((frame, 0, 0, 0), shape)
        source.read(memory, space, out)

    return read


def _deflated(dataset: h5py.Dataset) -> ReadImage:
    source, shuffled = dataset.id, _is_shuffled(dataset)
    fallback = _any_storage(dataset)

    def read(frame: int, out: NDArray[Any]) -> None:
        try:
            mask, packed = source.read_direct_chunk((frame, 0, 0, 0))
        except (OSError, RuntimeError, ValueError):
            mask, packed = 1, b""  # never written: HDF5 gives the fill value, or says what is wrong
        if mask:  # a filter was left out for this chunk
            fallback(frame, out)
            return
        try:
            unpacked = np.frombuffer(isal_zlib.decompress(packed, bufsize=out.nbytes), np.uint8)
        except IsalError as error:  # type: ignore[misc]  # its stub does not say that it is an exception
            raise ValueError(str(error)) from None
        if len(unpacked) != out.nbytes:
            raise ValueError(f"{len(unpacked)} bytes where {out.nbytes} are expected")
        if shuffled:
            _unshuffle(unpacked, out)
        else:
            out.reshape(-1).view(np.uint8)[...] = unpacked

    return read


def _unshuffle(shuffled: NDArray[np.uint8], out: NDArray[Any]) -> None:
    """Undo HDF5's shuffle of 4-byte numbers: all first bytes stand first, then all second ones, and so on."""
    bytes_of_numbers = out.reshape(-1, 1).view(np.uint8)
    for i, plane in enumerate(shuffled.reshape(SHUFFLED_BYTES, -1)):
        bytes_of_numbers[:, i] = plane
