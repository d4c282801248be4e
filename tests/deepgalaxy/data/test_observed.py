import re
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image as Pillow

from bench import REPOSITORY
from deepgalaxy.data.observed import hubble_deep_field, image_files, observed, squared
from deepgalaxy.errors import InputError

HUBBLE = REPOSITORY.parent / "shared" / "data" / "hst"


def blob(rows=60, columns=80):
    """A bright spot in the middle of a dark field, in [0, 1]."""
    y, x = np.mgrid[:rows, :columns]
    return np.exp(-((y - (rows - 1) / 2) ** 2 + (x - (columns - 1) / 2) ** 2) / 50)


def read(folder: Path, resolution: int = 32):
    skipped = []
    found = list(observed(image_files(folder), resolution, skipped.append))
    return {o.name: o for o in found}, {s.name: s.reason for s in skipped}


def test_every_format_and_shape_gives_the_same_kind_of_tensor(tmp_path):
    grey = (255 * blob()).astype(np.uint8)
    Pillow.fromarray(grey).save(tmp_path / "grey.png")
    Pillow.fromarray(np.stack([grey] * 3, -1)).save(tmp_path / "colour.jpg", quality=95)
    Pillow.fromarray(np.stack([grey] * 4, -1)).save(tmp_path / "alpha.png")
    Pillow.fromarray((65535 * blob()).astype(np.uint16)).save(tmp_path / "deep.png")
    Pillow.fromarray(grey[:20, :20]).save(tmp_path / "small.png")
    noise = np.random.default_rng(0).normal(0, 1, (60, 80))
    fits.PrimaryHDU(1000 + noise + 5000 * blob()).writeto(tmp_path / "flux.fits")
    found, skipped = read(tmp_path)
    assert not skipped
    assert set(found) == {"grey.png", "colour.jpg", "alpha.png", "deep.png", "small.png", "flux.fits"}
    for one in found.values():
        assert one.pixels.shape == (32, 32, 1)
        assert one.pixels.dtype == np.float32
        assert 0 <= one.pixels.min() <= one.pixels.max() <= 1
    for name in ("colour.jpg", "deep.png"):
        assert np.allclose(found[name].pixels, found["grey.png"].pixels, atol=0.03)
    flux = found["flux.fits"].pixels[..., 0]
    assert flux[16, 16] > 0.9
    assert np.median(flux) < 0.15  # the sky is dark


def test_a_fits_file_of_several_extensions_gives_its_first_image_and_says_so(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=np.arange(3))])
    science, weight = fits.ImageHDU(blob() * 100, name="SCI"), fits.ImageHDU(np.ones((60, 80)), name="WHT")
    fits.HDUList([fits.PrimaryHDU(), table, science, weight]).writeto(tmp_path / "several.fits")
    found, _ = read(tmp_path)
    assert found["several.fits"].note == "the first of 2 images, extension SCI"
    assert found["several.fits"].pixels.max() > 0.9


def test_damaged_files_are_left_out_with_a_reason_each(tmp_path):
    Pillow.fromarray((255 * blob()).astype(np.uint8)).save(tmp_path / "good.jpg")
    whole = (tmp_path / "good.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.jpeg").write_bytes(b"")
    fits.PrimaryHDU().writeto(tmp_path / "header.fits")
    fits.PrimaryHDU(np.full((9, 9), np.nan)).writeto(tmp_path / "nan.fits")
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =")
    found, skipped = read(tmp_path)
    assert set(found) == {"good.jpg"}
    assert set(skipped) == {"half.jpg", "text.png", "empty.jpeg", "header.fits", "nan.fits", "broken.fits"}
    assert skipped["header.fits"] == "no extension holds an image"
    assert skipped["nan.fits"] == "no pixel is finite"
    assert all("\n" not in reason and reason for reason in skipped.values())


def test_what_holds_no_image_is_told(tmp_path):
    with pytest.raises(InputError, match=re.escape(f"no image in folder {tmp_path}: .fits")):
        image_files(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"notes.txt is not an image"):
        image_files(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="does not exist"):
        image_files(tmp_path / "none")


@given(
    grey=hnp.arrays(np.float32, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.floats(0, 1, width=32)),
    resolution=st.integers(1, 48),
)
def test_any_size_becomes_the_square_that_was_asked_for(grey, resolution):
    pixels = squared(grey, resolution)
    assert pixels.shape == (resolution, resolution, 1)
    assert grey.min() - 1e-6 <= pixels.min() <= pixels.max() <= grey.max() + 1e-6


def test_the_hubble_deep_field_holds_galaxies():
    galaxies = hubble_deep_field(64)
    assert len(galaxies) >= 20
    assert len({g.name for g in galaxies}) == len(galaxies)
    for galaxy in galaxies:
        pixels = galaxy.pixels[..., 0]
        assert pixels[24:40, 24:40].mean() > 2 * np.median(pixels[[0, -1]])  # in the middle, and brighter than its edge


@pytest.mark.skipif(not HUBBLE.is_dir(), reason="the Hubble images are not beside this checkout")
def test_real_mergers_can_be_read():
    found, skipped = read(HUBBLE, 128)
    assert not skipped
    assert len(found) == len(image_files(HUBBLE))
    assert all(o.pixels.std() > 0.03 for o in found.values())
