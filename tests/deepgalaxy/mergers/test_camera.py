import numpy as np
import pytest

from deepgalaxy.mergers import camera


def stars_at(positions, mass: float = 1e10) -> camera.Scene:
    positions = np.atleast_2d(np.asarray(positions, dtype=float))
    n = len(positions)
    return camera.Scene(positions, np.full(n, mass), np.zeros(n, int))


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


def test_opposite_cameras_see_mirror_images():
    scene = camera.scene(np.random.default_rng(0).normal(0, 8, (3000, 3)), np.full(3000, 1e7))
    front = camera.image(scene, np.array([1.0, 0, 0]), 64)
    back = camera.image(scene, np.array([-1.0, 0, 0]), 64)
    assert np.allclose(front, back[:, ::-1], atol=0.1)  # stars on pixel edges may fall either way
    assert np.corrcoef(front.ravel(), back[:, ::-1].ravel())[0, 1] > 0.95


def test_the_image_holds_the_mass_that_is_there():
    n = 4000
    stars = camera.scene(np.random.default_rng(0).normal(0, 6, (n, 3)), np.full(n, 1e7))
    pixels = camera.image(stars, np.array([0.0, 0, 1]), 256)[..., 0].astype(float)
    density = camera.FAINTEST * (camera.BRIGHTEST / camera.FAINTEST) ** pixels
    area = (camera.FIELD_OF_VIEW_KPC / 256) ** 2
    assert np.sum(density[pixels > 0]) * area == pytest.approx(n * 1e7, rel=0.03)


def test_lonely_stars_are_smoothed_more_than_crowded_ones():
    rng = np.random.default_rng(0)
    crowd, outskirts = rng.normal(0, 0.3, (200, 3)), rng.normal(0, 20, (200, 3))
    level = camera.scene(np.concatenate([crowd, outskirts]), np.ones(400)).level
    assert level[:200].max() < level[200:].min() + 1
    assert level[:200].mean() < 0.5 < 2 < level[200:].mean()


def test_what_leaves_the_picture_does_not_come_back_on_the_other_side():
    edge = camera.FIELD_OF_VIEW_KPC / 2
    pixels = camera.image(stars_at([edge - 0.1, 0, 0]), np.array([0.0, 0, 1]), 128)[..., 0]
    columns = pixels.max(axis=0)
    assert max(columns[0], columns[-1]) > 0.3 > 0 == min(columns[0], columns[-1])


def test_eight_bits_keep_the_image():
    pixels = camera.image(stars_at([0, 0, 0]), np.array([0.0, 0, 1]), 64)
    assert np.abs(camera.as_uint8(pixels) / 255 - pixels).max() <= 0.5 / 255 + 1e-6
