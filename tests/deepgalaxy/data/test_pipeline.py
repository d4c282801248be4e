import itertools

import h5py
import numpy as np
import pytest
import tensorflow as tf

from deepgalaxy.data.augment import Augmentation
from deepgalaxy.data.batches import BatchPlan, select
from deepgalaxy.data.layout import add_simulation, atomic_file, read_catalogue
from deepgalaxy.data.pipeline import Batches
from deepgalaxy.data.reader import Reader
from deepgalaxy.errors import InputError
from tests.conftest import write_data


def steps(batches, number):
    return [[t.numpy() for t in batch] for batch in itertools.islice(batches, number)]


def make(path, workers=1, rank=0, batch_size=8, first_step=0, augmentation=None, seed=0):
    catalogue = read_catalogue(path)
    examples = select(catalogue)
    plan = BatchPlan(len(examples), batch_size, workers, seed)
    return Batches(catalogue, examples, plan, rank, first_step, augmentation), plan, examples


def test_an_epoch_over_two_ranks_delivers_every_image_with_its_label_once(data_file):
    with h5py.File(data_file) as file:
        there = {
            file[group][f"images_camera_{camera:02d}"][frame].tobytes(): frame
            for group in file
            for camera in range(14)
            for frame in range(12)
        }
    seen = {}
    for rank in range(2):
        batches, plan, _ = make(data_file, workers=2, rank=rank, batch_size=9)
        for images, labels, weights in steps(batches, plan.steps_per_epoch):
            assert images.shape == (9, 32, 32, 1)
            for image, label, weight in zip(images, labels, weights, strict=True):
                if weight:
                    assert image.tobytes() not in seen
                    seen[image.tobytes()] = label
    assert seen == there


def test_a_resumed_pipeline_goes_on_where_it_was(data_file):
    augmentation = Augmentation(noise=0.1, flips=True, rotations=True)
    whole = steps(make(data_file, augmentation=augmentation)[0], 6)
    rest = steps(make(data_file, first_step=4, augmentation=augmentation)[0], 2)
    for expected, found in zip(whole[4:], rest, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))


def test_eight_bit_images_come_in_zero_to_one(tmp_path):
    path = tmp_path / "bytes.hdf5"
    with atomic_file(path) as file:
        (dataset,) = add_simulation(file, "s_1_m_1", 1, 5.0 * np.arange(4), (32, "uint8"), {})
        dataset[...] = np.random.default_rng(0).integers(0, 256, dataset.shape)
        expected = dataset[...] / 255
    catalogue = read_catalogue(path)
    images = Reader(catalogue, select(catalogue)).read(np.arange(4))
    assert images.dtype == np.float32
    assert np.allclose(images, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("value", "told"), [(np.nan, "is not finite"), (np.inf, "is not finite"), (7.0, "has values from .* to 7")]
)
def test_an_image_that_is_none_is_told_by_name(tmp_path, value, told):
    path = write_data(tmp_path / "mergers_32.hdf5")
    with h5py.File(path, "r+") as file:
        file["s_1_m_1/images_camera_04"][5, 3, 3, 0] = value
    batches, plan, _ = make(path)
    with pytest.raises(InputError, match=rf"s_1_m_1/images_camera_04\[5\] {told}"):
        steps(batches, plan.steps_per_epoch)


def test_an_image_whose_bytes_are_spoilt_is_told_by_name(tmp_path):
    path = write_data(tmp_path / "mergers_32.hdf5")
    with h5py.File(path) as file:
        where = file["s_1_m_1/images_camera_04"].id.get_chunk_info(5)
    content = bytearray(path.read_bytes())
    content[where.byte_offset + 10 : where.byte_offset + where.size] = b"\xff" * (where.size - 10)
    path.write_bytes(content)
    batches, plan, _ = make(path)
    with pytest.raises(InputError, match=r"s_1_m_1/images_camera_04\[5\] can't be read"):
        steps(batches, plan.steps_per_epoch)


KEY = tf.constant([3, 64], tf.int64)


@pytest.fixture
def images():
    return tf.constant(np.random.default_rng(0).random((64, 8, 8, 1)), tf.float32)


def test_flips_and_rotations_move_pixels_and_change_none(images):
    turned = Augmentation(flips=True, rotations=True).apply(images, KEY).numpy()
    views = {}
    for before, after in zip(images.numpy()[..., 0], turned[..., 0], strict=True):
        same = [
            (mirror, quarter)
            for mirror in (0, 1)
            for quarter in range(4)
            if np.array_equal(after, np.rot90(before[:, ::-1] if mirror else before, quarter))
        ]
        assert len(same) == 1
        views[same[0]] = views.get(same[0], 0) + 1
    assert len(views) == 8  # all eight ways to lay a square


def test_noise_has_its_spread_and_stays_in_range(images):
    grey = tf.fill((16, 32, 32, 1), 0.5)
    noisy = Augmentation(noise=0.05).apply(grey, KEY).numpy()
    assert noisy.std() == pytest.approx(0.05, rel=0.05)
    assert noisy.mean() == pytest.approx(0.5, abs=0.002)
    strong = Augmentation(noise=1.0).apply(images, KEY).numpy()
    assert 0 <= strong.min() < strong.max() <= 1


def test_chance_depends_on_the_key_alone(images):
    augmentation = Augmentation(noise=0.1, flips=True, rotations=True)
    first, again, other = (augmentation.apply(images, key).numpy() for key in (KEY, KEY, KEY + 16))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_augmentation_changes_nothing_and_a_wrong_one_is_told(images):
    assert np.array_equal(Augmentation().apply(images, KEY).numpy(), images.numpy())
    with pytest.raises(InputError, match="noise -0.1 is outside 0 to 1"):
        Augmentation(noise=-0.1)
