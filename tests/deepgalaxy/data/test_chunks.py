import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgalaxy.data.chunks import image_reader, image_writer

STORAGE = {
    "as this suite writes": {"chunks": (1, 8, 8, 1), "compression": "gzip", "shuffle": True},
    "deflated alone": {"chunks": (1, 8, 8, 1), "compression": "gzip"},
    "with a checksum": {"chunks": (1, 8, 8, 1), "compression": "gzip", "shuffle": True, "fletcher32": True},
    "lzf": {"chunks": (1, 8, 8, 1), "compression": "lzf"},
    "several images a chunk": {"chunks": (3, 8, 8, 1), "compression": "gzip"},
    "contiguous": {},
}


@pytest.mark.parametrize("storage", STORAGE.values(), ids=list(STORAGE))
@pytest.mark.parametrize("dtype", ["<f4", "u1", "<f8", ">f4"])
def test_every_storage_gives_the_images_that_h5py_gives(tmp_path, storage, dtype):
    images = (100 * np.random.default_rng(0).random((5, 8, 8, 1))).astype(dtype)
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        dataset = file.create_dataset("images", data=images, **storage)
        read = image_reader(dataset)
        out = np.empty((8, 8, 1), dtype)
        for frame in (4, 0, 2):
            read(frame, out)
            assert np.array_equal(out, images[frame])


def test_an_image_that_was_never_written_is_the_fill_value(tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        dataset = file.create_dataset("images", (3, 8, 8, 1), "f4", fillvalue=0.25, **STORAGE["as this suite writes"])
        dataset[1] = 1.0
        out = np.empty((8, 8, 1), np.float32)
        image_reader(dataset)(2, out)
        assert np.all(out == 0.25)


@settings(max_examples=40)
@given(spoilt=st.binary(max_size=400))
def test_spoilt_bytes_are_an_error_of_the_kinds_that_are_told(tmp_path_factory, spoilt):
    path = tmp_path_factory.getbasetemp() / "spoilt.hdf5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("images", (1, 8, 8, 1), "f4", **STORAGE["as this suite writes"])
        dataset.id.write_direct_chunk((0, 0, 0, 0), spoilt or b"\0")
        with pytest.raises((OSError, RuntimeError, ValueError)):
            image_reader(dataset)(0, np.empty((8, 8, 1), np.float32))


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("storage", [{"compression": "gzip", "shuffle": True}, {"compression": "gzip"}, {}])
def test_what_is_written_is_what_h5py_reads(tmp_path, storage, dtype):
    images = (np.random.default_rng(0).random((3, 16, 16, 1)) * 255).astype(dtype)
    images[1, :8] = 0
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        dataset = file.create_dataset("images", images.shape, dtype, chunks=(1, 16, 16, 1), **storage)
        write = image_writer(dataset)
        for i, image in enumerate(images):
            write(i, image)
    with h5py.File(tmp_path / "x.hdf5") as file:
        assert np.array_equal(file["images"][:], images)
