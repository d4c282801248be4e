import h5py
import numpy as np
import pytest

from deepgalaxy.data.batches import select
from deepgalaxy.data.layout import add_simulation, atomic_file, read_catalogue
from deepgalaxy.training.rules import NearestPixels, median_rule

CLASSES = 21


@pytest.fixture
def brightening(tmp_path):
    """A file whose images say their class by their brightness, camera 1 a little brighter than camera 0."""
    path = tmp_path / "mergers_64.hdf5"
    with atomic_file(path) as file:
        for camera, dataset in enumerate(
            add_simulation(file, "s_1_m_1", 2, 5.0 * np.arange(CLASSES), (64, "float32"), {})
        ):
            dataset[...] = (np.arange(CLASSES) / 40 + 0.001 * camera)[:, None, None, None]
    return read_catalogue(path)


def test_the_nearest_in_pixels_is_the_image_itself_or_its_like(brightening):
    training, tested = (select(brightening, cameras=[camera]) for camera in (0, 1))
    score = NearestPixels(brightening, training).score(tested)
    assert (score.images, score.top_1, score.top_5, score.error_myr) == (CLASSES, 1.0, 1.0, 0.0)
    with h5py.File(brightening.path, "r+") as file:
        file["s_1_m_1/images_camera_01"][...] += 2 / 40  # two classes too bright
    shifted = NearestPixels(brightening, training).score(tested)
    assert shifted.top_1 <= 2 / CLASSES
    assert shifted.error_myr == pytest.approx(10, abs=1)


def test_the_median_rule_guesses_the_median(brightening):
    training = select(brightening)
    score = median_rule(training, training)
    assert score.error_myr == pytest.approx(np.abs(np.arange(CLASSES) - 10).mean() * 5)
    assert score.top_1 == pytest.approx(1 / CLASSES)
    assert score.top_5 == pytest.approx(5 / CLASSES)
