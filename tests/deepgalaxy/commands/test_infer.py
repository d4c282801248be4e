import csv
import io
import json
import struct
import zlib

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from deepgalaxy import fastest
from deepgalaxy.cli import main
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import Part, load_network, network


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.keras"
    network(SMALL, 32, set(Part), classes=71).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    """A grey picture, one in colour with transparency, one of 16 bits, one of a single pixel, FITS with pixels below
    0 and without value, a picture too large to open, and a text.
    """
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (50, 40), np.uint8)).save(folder / "grey.png")
    Image.fromarray(rng.integers(0, 256, (50, 40, 4), np.uint8), "RGBA").save(folder / "alpha.png")
    Image.fromarray(rng.integers(0, 65536, (50, 40), np.uint16)).save(folder / "deep.png")
    Image.fromarray(np.full((1, 1), 200, np.uint8)).save(folder / "pixel.png")
    flux = rng.normal(size=(40, 50)).astype(np.float32)
    flux[3:9, 4] = np.nan
    fits.PrimaryHDU(flux).writeto(folder / "flux.fits")
    (folder / "huge.png").write_bytes(black_png(20_000, 20_000))
    (folder / "text.png").write_text("no picture")
    return folder


def black_png(width, height) -> bytes:
    """A whole picture of one bit a pixel, made without holding its pixels as bytes."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = zlib.compress(bytes((1 + width // 8) * height), 1)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_a_folder_is_classified_and_what_is_no_image_is_told(model, photos, capsys):
    assert main(["infer", str(photos), "--model", str(model), "--batch-size", "3"]) == 0
    said = capsys.readouterr()
    found = rows(said.out)
    assert [row["image"] for row in found] == ["alpha.png", "deep.png", "flux.fits", "grey.png", "pixel.png"]
    assert "skipped text.png" in said.err
    assert "skipped huge.png: Image size (400000000 pixels) exceeds limit" in said.err
    assert "5 images, 2 skipped" in said.err
    for row in found:
        assert 0 <= int(row["label"]) <= 70
        assert float(row["probability"]) >= float(row["probability_2"]) >= float(row["probability_3"])
        assert float(row["earliest_myr"]) <= float(row["time_to_merge_myr"]) <= float(row["latest_myr"])


def test_a_whole_file_gets_what_the_network_says(model, data_file, tmp_path, capsys):
    out = tmp_path / "stages.jsonl"
    options = ["--model", str(model), "--out", str(out), "--batch-size", "50", "--top", "1"]
    assert main(["infer", str(data_file), *options]) == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(found) == 336
    assert found[0]["image"] == "s_0.5_m_0.25/camera_00/class_00"
    from deepgalaxy.data.batches import select
    from deepgalaxy.data.layout import read_catalogue
    from deepgalaxy.data.reader import Reader

    catalogue = read_catalogue(data_file)
    images = Reader(catalogue, select(catalogue)).read(np.arange(336))
    probabilities = load_network(model)(images)["classes"].numpy()
    assert [row["label"] for row in found] == list(probabilities.argmax(axis=1))
    assert [row["probability"] for row in found] == pytest.approx(probabilities.max(axis=1), abs=1e-5)


def test_the_hubble_deep_field_on_a_sheet_and_as_json_lines(model, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert main(["infer", "hubble", "--model", str(model), "--json", "--sheet", str(sheet)]) == 0
    assert len([json.loads(line) for line in capsys.readouterr().out.splitlines()]) == 48
    assert Image.open(sheet).size[0] > 800


def test_auto_says_what_it_chose(model, photos, capsys, monkeypatch):
    speeds = {"tensorflow fp32": 20.0, "itex fp32": 0.0}
    monkeypatch.setattr(fastest, "measure", lambda *arguments: fastest.Measured(speeds, known=True))
    assert main(["infer", str(photos), "--model", str(model), "--engine", "auto"]) == 0
    said = capsys.readouterr().err
    assert "using tensorflow fp32 (measured earlier): images/s of tensorflow fp32 20.0, itex fp32 fails" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["hubble", "--resolution", "64"], "takes images of 32 pixels"),
        (["hubble", "--out", "a.txt"], "--out a.txt ends in neither .csv nor .jsonl"),
        (["hubble", "--batch-size", "0"], "--batch-size 0 is outside 1 to 4096"),
        (["hubble", "--top", "0"], "--top 0 is outside 1 to 1000"),
        (["hubble", "--out", "/dev/null/a.csv"], "can't write /dev/null/a.csv"),
        (["hubble", "--model", "none.keras"], "model none.keras does not exist"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(model, capsys, arguments, told):
    chosen = [] if "--model" in arguments else ["--model", str(model)]
    assert main(["infer", *arguments, *chosen]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert told in said[0]


def test_a_model_of_another_class_count_counts_to_its_own_last_class(photos, tmp_path, capsys):
    network(SMALL, 32, {Part.CLASSIFIER}, classes=12).save(tmp_path / "twelve.keras")
    assert main(["infer", str(photos), "--model", str(tmp_path / "twelve.keras")]) == 0
    said = capsys.readouterr()
    assert "12 classes, not 71: times to merge are counted to its last one" in said.err
    assert all(0 <= float(row["time_to_merge_myr"]) <= 55 for row in rows(said.out))


def test_images_of_another_size_are_told(model, tmp_path, capsys):
    from tests.conftest import write_data

    path = write_data(tmp_path / "mergers_64.hdf5", resolution=64, groups=("s_1_m_1",), snapshots=2)
    assert main(["infer", str(path), "--model", str(model)]) == 2
    assert "holds images of 64 pixels, the model takes 32" in capsys.readouterr().err


def test_a_folder_of_nothing_readable_leaves_no_file(model, tmp_path, capsys):
    (tmp_path / "bad.png").write_text("none")
    out = tmp_path / "out.csv"
    assert main(["infer", str(tmp_path), "--model", str(model), "--out", str(out)]) == 2
    assert "none of the 1 images" in capsys.readouterr().err
    assert not out.exists()
