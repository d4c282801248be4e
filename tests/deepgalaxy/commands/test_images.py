import json

import numpy as np
import pytest
from PIL import Image

from deepgalaxy.cli import main


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (20, 30), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8")
    return tmp_path


def test_images_says_what_it_read_and_what_it_left_out(folder, capsys):
    sheet = folder / "out" / "sheet.png"
    assert main(["images", str(folder), "--sheet", str(sheet), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["read"] == ["0.png", "1.png", "2.png"]
    assert list(json.loads(said.out)["skipped"]) == ["broken.jpg"]
    assert said.err.startswith("skipped broken.jpg: ")
    assert Image.open(sheet).size[0] > 300


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere does not exist"),
        (["hubble", "--resolution", "4"], "--resolution 4 is outside 8 to 4096"),
        (["hubble", "--sheet", "/dev/null/x.png"], "can't write /dev/null/x.png"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(capsys, arguments, told):
    assert main(["images", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_folder_of_nothing_but_damage_is_an_error(tmp_path, capsys):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8")
    assert main(["images", str(tmp_path)]) == 2
    assert "none of the 1 images" in capsys.readouterr().err
