"""The index: a latent vector for each image of a data set, and where the image is from.

A NumPy `.npz` file of plain arrays, so that it can be read without this suite.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.data.batches import Examples, select
from deepgalaxy.data.layout import GROUP_NAME, read_catalogue
from deepgalaxy.data.reader import Reader
from deepgalaxy.data.sources import catalogue_of, simulated_name
from deepgalaxy.errors import InputError, first_line
from deepgalaxy.files import replacing
from deepgalaxy.networks.deepgalaxy import Part, parts_of


@dataclass(frozen=True, eq=False)
class LatentIndex:
    """N images in a latent space of L dimensions.

    z: (N, L) float32; source: (N,) file of the image; simulation: (N,) its group there
    camera, frame, label: (N,) int64, the camera, the place in its sequence, the class
    model_sha256: (1,) of the model's file; vectors of two models are never in one index
    """

    z: NDArray[np.float32]
    source: NDArray[np.str_]
    simulation: NDArray[np.str_]
    camera: NDArray[np.int64]
    frame: NDArray[np.int64]
    label: NDArray[np.int64]
    model_sha256: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.label)

    def name(self, i: int) -> str:
        """Of image `i`."""
        return simulated_name(str(self.simulation[i]), int(self.camera[i]), int(self.label[i]))

    @property
    def mass_ratio(self) -> NDArray[np.float64]:
        """Of the second galaxy to the first, (N,)."""
        return self._ratio("mass")

    @property
    def size_ratio(self) -> NDArray[np.float64]:
        """Of the second galaxy to the first, (N,)."""
        return self._ratio("size")

    def _ratio(self, kind: str) -> NDArray[np.float64]:
        names, inverse = np.unique(self.simulation, return_inverse=True)
        values = [float(match[kind]) if (match := GROUP_NAME.fullmatch(str(n))) else np.nan for n in names]
        return np.array(values)[inverse]

    def images(self, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
        """The images themselves, (len(numbers), H, H, 1), read from where they lie.

        Raises
        ------
        InputError: their file is gone or damaged
        """
        read: dict[int, NDArray[np.float32]] = {}
        for source in np.unique(self.source[numbers]):
            catalogue = read_catalogue(Path(str(source)))
            place = {(s.group, s.camera): n for n, s in enumerate(catalogue.sequences)}
            mine = [int(i) for i in numbers if self.source[i] == source]
            keys = [(str(self.simulation[i]), int(self.camera[i])) for i in mine]
            gone = [key for key in keys if key not in place]
            if gone:
                raise InputError(f"{source} no longer holds {gone[0][0]}, camera {gone[0][1]}")
            sequence = np.array([place[key] for key in keys], np.int64)
            examples = Examples(sequence, self.frame[mine], self.label[mine])
            read |= dict(zip(mine, Reader(catalogue, examples).read(np.arange(len(mine))), strict=True))
        return np.stack([read[int(i)] for i in numbers])

    def write(self, path: Path) -> None:
        """Write it, at once and whole.

        Raises
        ------
        InputError: `path` can't be written
        """
        with replacing(path) as partial:
            np.savez(partial, **vars(self))

    def joined(self, other: LatentIndex) -> LatentIndex:
        """Both as one; images of `other` that are here already are not added again.

        Raises
        ------
        InputError: they come from two models
        """
        if self.model_sha256[0] != other.model_sha256[0]:
            raise InputError(
                f"the index was made by model {self.model_sha256[0][:12]}, not {other.model_sha256[0][:12]}: "
                "choose another --out"
            )
        here = set(zip(self.source, self.simulation, self.camera, self.frame, strict=True))
        keys = zip(other.source, other.simulation, other.camera, other.frame, strict=True)
        new = np.array([key not in here for key in keys], bool)
        columns = {f.name for f in fields(self)} - {"model_sha256"}
        return replace(self, **{c: np.concatenate([getattr(self, c), getattr(other, c)[new]]) for c in columns})


def read_index(path: Path) -> LatentIndex:
    """An index that was written by `LatentIndex.write`.

    Raises
    ------
    InputError: missing, damaged, or something else
    """
    if not path.is_file():
        raise InputError(f"index {path} does not exist")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return LatentIndex(**{f.name: arrays[f.name] for f in fields(LatentIndex)})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged or no index: {first_line(error)}") from None


class Encoder:
    """The way of an image to its latent vector.

    Raises
    ------
    InputError: the network has no VAE
    """

    def __init__(self, model: tf.keras.Model, model_path: Path) -> None:
        if Part.VAE not in parts_of(model):
            raise InputError(f"model {model_path} has no VAE: it was trained without the losses `features` and `kl`")
        self.resolution: int = model.input_shape[1]
        self.sha256 = hashlib.sha256(model_path.read_bytes()).hexdigest()
        self._function = tf.function(lambda images: model(images, training=False)["z_mean"], autograph=False)

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images (n, H, H, 1) -> z (n, L)."""
        z: NDArray[np.float32] = self._function(tf.constant(images)).numpy()
        return z


def index_file(path: Path, encode: Encoder, batch_size: int, report: Callable[[int, int], None]) -> LatentIndex:
    """Index all images of an HDF5 file, a batch in memory at a time. report(images done, of all)

    Raises
    ------
    InputError: missing, damaged, or of another resolution
    """
    catalogue = catalogue_of(path, encode.resolution)
    examples = select(catalogue)
    reader = Reader(catalogue, examples)
    vectors = []
    for start in range(0, len(examples), batch_size):
        chosen = np.arange(start, min(start + batch_size, len(examples)))
        vectors.append(encode(reader.read(chosen)))
        report(int(chosen[-1]) + 1, len(examples))
    sequences = [catalogue.sequences[s] for s in examples.sequence]
    return LatentIndex(
        z=np.concatenate(vectors),
        source=np.full(len(examples), str(path.resolve())),
        simulation=np.array([s.group for s in sequences]),
        camera=np.array([s.camera for s in sequences], np.int64),
        frame=examples.frame,
        label=examples.label,
        model_sha256=np.array([encode.sha256]),
    )
