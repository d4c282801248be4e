import numpy as np
import pytest

from deepgalaxy.data.layout import add_simulation, atomic_file
from deepgalaxy.search.index import LatentIndex
from deepgalaxy.search.quality import infer_properties, measure, ssim

TIMES = 12


@pytest.fixture
def index(tmp_path):
    """Two simulations whose images brighten with their class, and a latent space that knows the class."""
    path = tmp_path / "mergers_64.hdf5"
    pattern = np.linspace(0, 1, 64 * 64).reshape(64, 64, 1)
    with atomic_file(path) as file:
        for group in ("s_1_m_0.5", "s_0.25_m_1"):
            for dataset in add_simulation(file, group, 2, 5.0 * np.arange(TIMES), (64, "float32"), {}):
                dataset[...] = pattern * np.linspace(0.1, 1, TIMES)[:, None, None, None]
    frame = np.tile(np.arange(TIMES), 4)
    return LatentIndex(
        z=frame[:, None] + np.random.default_rng(0).normal(0, 0.01, (4 * TIMES, 3)),
        source=np.full(4 * TIMES, str(path)),
        simulation=np.repeat(["s_0.25_m_1", "s_1_m_0.5"], 2 * TIMES),
        camera=np.tile(np.repeat([0, 1], TIMES), 2),
        frame=frame,
        label=frame,
        model_sha256=np.array(["0" * 64]),
    )


def test_structural_similarity_of_an_image_with_itself_and_with_noise():
    rng = np.random.default_rng(0)
    image, other = rng.random((2, 32, 32, 1), np.float32)
    assert ssim(image, image) == pytest.approx(1)
    assert abs(ssim(image, other)) < 0.2
    assert ssim(image[:4, :4], image[:4, :4]) == pytest.approx(1)


def test_properties_come_from_the_neighbours(index):
    inferred = infer_properties(index, np.array([3, 3 + 2 * TIMES, 5, 5 + 2 * TIMES]))
    assert inferred["label"].median == 4
    assert inferred["time_to_merge_myr"].median == 5 * (11 - 4)
    assert (inferred["mass_ratio"].low, inferred["mass_ratio"].high) == (0.5, 1)
    assert inferred["size_ratio"].median == pytest.approx(0.625)


@pytest.mark.parametrize("own", [True, False])
def test_a_latent_space_that_knows_the_class_beats_chance(index, own):
    quality = measure(index, 20, 2, seed=0, own_simulation=own)
    assert quality["latent graph"].error_myr < 2.5
    assert quality["nearest in pixels"].error_myr < 2.5
    assert quality["random"].error_myr > 5
    assert quality["latent graph"].ssim > quality["random"].ssim + 0.05
