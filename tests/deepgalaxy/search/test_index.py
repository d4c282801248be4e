from dataclasses import replace

import numpy as np
import pytest

from deepgalaxy.data.batches import select
from deepgalaxy.data.layout import read_catalogue
from deepgalaxy.data.reader import Reader
from deepgalaxy.errors import InputError
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.search.index import Encoder, LatentIndex, index_file, read_index
from tests.conftest import write_data


@pytest.fixture(scope="module")
def encode(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model = network(SMALL, 32, set(Part), classes=71, latent=5)
    model.save(path)
    return Encoder(model, path)


@pytest.fixture
def index(encode, data_file):
    return index_file(data_file, encode, 50, lambda *_: None)


def test_every_image_has_its_vector_and_its_place(index, encode, data_file):
    catalogue = read_catalogue(data_file)
    images = Reader(catalogue, select(catalogue)).read(np.arange(336))
    assert index.z == pytest.approx(encode(images), abs=1e-5)
    assert index.z.shape == (336, 5)
    assert np.array_equal(index.images(np.array([300, 5, 170])), images[[300, 5, 170]])
    assert index.name(0) == "s_0.5_m_0.25/camera_00/class_00"
    assert (index.size_ratio[0], index.mass_ratio[0]) == (0.5, 0.25)
    assert (index.size_ratio[-1], index.mass_ratio[-1]) == (1, 1)


def test_it_survives_writing_and_is_plain_arrays(index, tmp_path):
    index.write(tmp_path / "index.npz")
    again = read_index(tmp_path / "index.npz")
    assert all(np.array_equal(a, b) for a, b in zip(vars(index).values(), vars(again).values(), strict=True))
    with np.load(tmp_path / "index.npz", allow_pickle=False) as arrays:
        assert set(arrays) == set(vars(index))


def test_adding_adds_what_is_not_there(index, encode, tmp_path):
    half = LatentIndex(**{name: c[:100] for name, c in vars(index).items()})
    whole = half.joined(index)
    assert len(whole) == 336
    assert len(whole.joined(index)) == 336
    more = index_file(write_data(tmp_path / "mergers_32.hdf5", groups=("s_1_m_0.5",)), encode, 64, lambda *_: None)
    assert len(index.joined(more)) == 336 + 168
    alien = replace(index, model_sha256=np.array(["f" * 64]))
    with pytest.raises(InputError, match="was made by model .*, not ffffffffffff"):
        index.joined(alien)


def test_what_can_not_be_read_is_told(index, encode, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_index(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("nothing")
    with pytest.raises(InputError, match="is damaged or no index"):
        read_index(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(1))
    with pytest.raises(InputError, match="is damaged or no index"):
        read_index(tmp_path / "other.npz")
    with pytest.raises(InputError, match="the model takes 32"):
        index_file(write_data(tmp_path / "m.hdf5", resolution=64, snapshots=2), encode, 8, lambda *_: None)
    moved = replace(index, source=np.full(336, str(tmp_path / "gone.hdf5")))
    with pytest.raises(InputError, match="gone.hdf5 does not exist"):
        moved.images(np.array([0]))
    shrunk = replace(index, source=np.full(336, str(write_data(tmp_path / "s.hdf5", groups=("s_1_m_1",)))))
    with pytest.raises(InputError, match="no longer holds s_0.5_m_0.25, camera 0"):
        shrunk.images(np.array([0]))


def test_a_model_without_a_vae_is_told(tmp_path):
    with pytest.raises(InputError, match="has no VAE"):
        Encoder(network(SMALL, 32, {Part.CLASSIFIER}, classes=5), tmp_path / "model.keras")
