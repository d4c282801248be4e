"""The HDF5 layout of the released DeepGalaxy files: writing, checking, listing.

A file holds one group per simulation, named `s_<size ratio>_m_<mass ratio>`; in it, for each
camera NN = 00..13, `images_camera_NN` of shape (T, H, W, 1), float32 in [0, 1] or uint8, and
`t_myr_camera_NN` of shape (T,) in Myr. The class of an image is its time since the group's
first, in steps of 5 Myr.
"""

from __future__ import annotations

import glob
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import psutil
from numpy.typing import NDArray

from deepgalaxy.errors import InputError
from deepgalaxy.files import told_if_unwritable

CLASS_INTERVAL_MYR = 5.0
GROUP_NAME = re.compile(r"s_(?P<size>\d+(\.\d+)?)_m_(?P<mass>\d+(\.\d+)?)")
CAMERA_NAME = re.compile(r"images_camera_(?P<camera>\d\d)")


class Sequence(NamedTuple):
    """One camera's view of one simulation.

    dataset: name of the image dataset in the file; classes: (T,) int64 of its images
    """

    group: str
    camera: int
    dataset: str
    classes: NDArray[np.int64]


class Catalogue(NamedTuple):
    """What a file holds. resolution: image edge, pixels; dtype: of its pixels."""

    path: Path
    resolution: int
    dtype: np.dtype[Any]
    sequences: list[Sequence]

    @property
    def images(self) -> int:
        """Number of images."""
        return sum(len(s.classes) for s in self.sequences)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, or one clear line on why it can't be read."""
    if not path.is_file():
        raise InputError(f"data file {path} does not exist")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError) as error:  # what h5py raises on foreign and truncated files
        raise InputError(f"data file {path} is damaged or is no HDF5 file: {error}") from None


def read_catalogue(path: Path) -> Catalogue:
    """List and check a file without reading its images.

    Raises
    ------
    InputError: missing, truncated or foreign file; names outside the layout; a camera that is missing
        or has no times; several resolutions; times not in order
    """
    sequences = []
    shapes: dict[tuple[int, ...], str] = {}
    dtype = np.dtype("float32")
    with opened(path) as file:
        for group_name, group in file.items():
            if not GROUP_NAME.fullmatch(group_name):
                raise InputError(f"{path}: group {group_name!r} is not named s_<size ratio>_m_<mass ratio>")
            for name in group:
                match = CAMERA_NAME.fullmatch(name)
                if match is None:
                    continue
                camera = int(match["camera"])
                images = group[name]
                if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != 1:
                    raise InputError(f"{path}: {group_name}/{name} has shape {images.shape}, not (T, H, H, 1)")
                shapes.setdefault(images.shape[1:], f"{group_name}/{name}")
                dtype = images.dtype
                sequences.append(
                    Sequence(group_name, camera, f"{group_name}/{name}", _classes(path, group, name, len(images)))
                )
    if not sequences:
        raise InputError(f"{path}: no images_camera_NN in any group")
    _check_cameras(path, sequences)
    if len(shapes) > 1:
        (a, first), (b, second), *_ = shapes.items()
        raise InputError(f"{path}: mixed resolutions: {first} is {a[0]} pixels, {second} is {b[0]}")
    return Catalogue(path, next(iter(shapes))[0], dtype, sequences)


def _check_cameras(path: Path, sequences: list[Sequence]) -> None:
    """Every group must have the same cameras, without a gap."""
    expected = range(max(s.camera for s in sequences) + 1)
    found: dict[str, set[int]] = {}
    for s in sequences:
        found.setdefault(s.group, set()).add(s.camera)
    for group, cameras in found.items():
        missing = [f"{camera:02d}" for camera in expected if camera not in cameras]
        if missing:
            raise InputError(
                f"{path}: group {group} lacks images_camera_{', '.join(missing)}; the file has cameras up to "
                f"{expected[-1]:02d}"
            )


def _classes(path: Path, group: h5py.Group, name: str, length: int) -> NDArray[np.int64]:
    """Classes of one camera's images from its times."""
    times_name = name.replace("images", "t_myr")
    where = f"{path}: {group.name.strip('/')}/{times_name}"
    if times_name not in group:
        raise InputError(f"{where} is missing")
    times = np.asarray(group[times_name], dtype=np.float64)
    if times.shape != (length,):
        raise InputError(f"{where} has shape {times.shape}, but there are {length} images")
    if not np.all(np.isfinite(times)) or np.any(np.diff(times) <= 0):
        raise InputError(f"{where} is not finite and increasing")
    classes: NDArray[np.int64] = np.rint((times - times[0]) / CLASS_INTERVAL_MYR).astype(np.int64)
    if np.any(np.diff(classes) == 0):
        raise InputError(f"{where} has two images within one class of {CLASS_INTERVAL_MYR:g} Myr")
    return classes


@contextmanager
def atomic_file(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file that takes its name only when it is complete.

    Raises
    ------
    InputError: its folder can't be written
    """
    prefix = f".{path.name}.partial-{platform.node()}-"
    partial = path.with_name(f"{prefix}{os.getpid()}")
    with told_if_unwritable(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for left in path.parent.glob(f"{glob.escape(prefix)}*"):  # by processes that were killed
                if not psutil.pid_exists(int(left.name[len(prefix) :])):
                    left.unlink(missing_ok=True)
            with h5py.File(partial, "w") as file:
                yield file
            partial.replace(path)
        finally:
            with suppress(OSError):  # gone already, or never made
                partial.unlink()


def add_simulation(
    file: h5py.File,
    group_name: str,
    cameras: int,
    times_myr: NDArray[np.float64],
    form: tuple[int, str],
    attributes: Mapping[str, object],
) -> list[h5py.Dataset]:
    """Add one simulation with its times (T,), and return its cameras' image datasets to fill.

    form: resolution and dtype of the images. Chunked by image, so that any one is read alone;
    compressed, which shrinks them several times, as most of the sky is dark.
    """
    resolution, dtype = form
    group = file.create_group(group_name)
    group.attrs.update(attributes)
    for camera in range(cameras):
        group.create_dataset(f"t_myr_camera_{camera:02d}", data=times_myr)
    return [
        group.create_dataset(
            f"images_camera_{camera:02d}",
            shape=(len(times_myr), resolution, resolution, 1),
            dtype=dtype,
            chunks=(1, resolution, resolution, 1),
            compression="gzip",
            compression_opts=1,
            shuffle=True,
        )
        for camera in range(cameras)
    ]


def join(path: Path, parts: Iterable[Path]) -> None:
    """Add the groups of `parts` to `path`, which may be there or not; compressed images are copied as they are."""
    with atomic_file(path) as whole:
        for source in ([path] if path.exists() else []) + sorted(parts):
            with opened(source) as file:
                for name in file:
                    file.copy(name, whole)
