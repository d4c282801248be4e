import numpy as np
import pytest

from deepgalaxy.mergers import camera
from deepgalaxy.mergers.particles import Particles


def stars_at(positions) -> Particles:
    positions = np.atleast_2d(np.asarray(positions, dtype=float))
    n = len(positions)
    return Particles(positions, np.zeros((n, 3)), np.full(n, 1e10), np.ones(n, bool))


def brightest(image):
    return np.unravel_index(image[..., 0].argmax(), image.shape[:2])


def test_fourteen_cameras_look_from_fourteen_directions():
    views = camera.viewpoints()
    assert views.shape == (14, 3)
    assert np.allclose(np.linalg.norm(views, axis=1), 1)
    assert len(np.unique(views.round(6), axis=0)) == 14


@pytest.mark.parametrize("resolution", [64, 128])
def test_a_star_appears_where_it_stands(resolution):
    middle = brightest(camera.image(stars_at([0, 0, 0]), np.array([0.0, 0, 1]), resolution))
    assert np.allclose(middle, resolution / 2, atol=1)
    # From +z, north is +y: up in the image is a smaller row.
    up = brightest(camera.image(stars_at([0, camera.FIELD_OF_VIEW_KPC / 4, 0]), np.array([0.0, 0, 1]), resolution))
    assert np.allclose(up, [resolution / 4, resolution / 2], atol=1)


def test_images_have_their_form_and_leave_out_what_is_dark_or_outside():
    image = camera.image(stars_at([[0, 0, 0], [1e4, 0, 0]]), np.array([1.0, 0, 0]), 64)
    assert image.shape == (64, 64, 1)
    assert image.dtype == np.float32
    assert 0 <= image.min() < image.max() <= 1
    dark = stars_at([0, 0, 0])
    dark.is_star[:] = False
    assert camera.image(dark, np.array([1.0, 0, 0]), 64).max() == 0


def test_opposite_cameras_see_mirror_images():
    scene = stars_at(np.random.default_rng(0).normal(0, 8, (300, 3)))
    front = camera.image(scene, np.array([1.0, 0, 0]), 64)
    back = camera.image(scene, np.array([-1.0, 0, 0]), 64)
    assert np.allclose(front, back[:, ::-1], atol=0.35)  # stars on pixel edges may fall either way
    assert np.corrcoef(front.ravel(), back[:, ::-1].ravel())[0, 1] > 0.95
