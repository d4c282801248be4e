"""`deepgalaxy index` and `deepgalaxy search`."""

import json

import pytest
from PIL import Image

from deepgalaxy.cli import main
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import Part, network


@pytest.fixture(scope="module")
def made(tmp_path_factory, data_file):
    """A model and the index that it made."""
    folder = tmp_path_factory.mktemp("search")
    model, index = folder / "model.keras", folder / "index.npz"
    network(SMALL, 32, set(Part), classes=71).save(model)
    assert main(["index", str(data_file), "--model", str(model), "--out", str(index)]) == 0
    return model, index


def test_an_index_is_added_to(made, data_file, tmp_path, capsys):
    model, _ = made
    out = tmp_path / "index.npz"
    for added in (336, 0):
        assert main(["index", str(data_file), "--model", str(model), "--out", str(out), "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert said == {"images": 336, "added": added, "out": str(out)}


def test_a_query_gets_recommendations_properties_and_pictures(made, tmp_path, capsys):
    model, index = made
    sheet, grid = tmp_path / "sheet.png", tmp_path / "grid.png"
    options = ["--index", str(index), "--model", str(model), "--sheet", str(sheet), "--grid", str(grid)]
    assert main(["search", "hubble", *options, "--most", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["queries"]) == 24
    for answer in said["queries"]:
        assert len(answer["recommendations"]) == 3
        assert all(-1 <= r["ssim"] <= 1 for r in answer["recommendations"])
        for value in answer["inferred"].values():
            assert value["low"] <= value["median"] <= value["high"]
    assert Image.open(sheet).size[1] > 3000
    assert Image.open(grid).size == (720, 720)
    assert main(["search", "hubble", *options]) == 0
    assert "time_to_merge_myr" in capsys.readouterr().out


def test_quality_compares_three_ways(made, capsys):
    assert main(["search", "--index", str(made[1]), "--quality", "10", "--json"]) == 0
    quality = json.loads(capsys.readouterr().out)["quality"]
    assert set(quality) == {"all images but the query", "other simulations only"}
    for ways in quality.values():
        assert set(ways) == {"latent graph", "nearest in pixels", "random"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "nothing to search for: name a QUERY, --quality or --grid"),
        (["hubble"], "--model is missing"),
        (["hubble", "--model", "none.keras"], "model none.keras does not exist"),
        (["nowhere", "--model", "MODEL"], "nowhere does not exist"),
        (["--quality", "3", "--most", "0"], "--most 0 is outside 1 to 50"),
        (["--quality", "3", "--index", "none.npz"], "index none.npz does not exist"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(made, capsys, arguments, told):
    model, index = made
    chosen = [str(model) if a == "MODEL" else a for a in arguments]
    where = [] if "--index" in arguments else ["--index", str(index)]
    assert main(["search", *chosen, *where]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert told in said[0]


def test_another_model_and_a_wrong_name_are_told(made, data_file, tmp_path, capsys):
    other = tmp_path / "other.keras"
    network(SMALL, 32, set(Part), classes=71).save(other)
    assert main(["search", "hubble", "--index", str(made[1]), "--model", str(other)]) == 2
    assert "was made by another model" in capsys.readouterr().err
    assert main(["index", str(data_file), "--model", str(other), "--out", str(made[1])]) == 2
    assert "choose another --out" in capsys.readouterr().err
    assert main(["index", str(data_file), "--model", str(other), "--out", "index.txt"]) == 2
    assert "does not end in .npz" in capsys.readouterr().err
