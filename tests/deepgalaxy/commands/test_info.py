import json

import pytest

from deepgalaxy.cli import main


def info(capsys, *arguments):
    assert main(["info", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_one_model_at_several_resolutions(capsys):
    small, large = info(capsys, "Small", "--resolution", "64", "128")
    assert (small["resolution"], large["resolution"]) == (64, 128)
    assert small["parameters"] == large["parameters"]
    assert small["gradient_bytes"] == 4 * small["trainable_parameters"]
    assert large["inference_flops_per_image"] > 3.5 * small["inference_flops_per_image"]


def test_a_saved_model_has_the_costs_of_its_parts(capsys, tmp_path):
    from deepgalaxy.networks.catalogue import SMALL
    from deepgalaxy.networks.deepgalaxy import Part, network

    path = tmp_path / "model.keras"
    network(SMALL, 64, set(Part), classes=9, latent=16).save(path)
    saved = info(capsys, str(path))
    named = info(capsys, "Small", "--resolution", "64", "--classes", "9", "--parts", "classifier", "autoencoder", "vae")
    assert {k: v for k, v in saved.items() if k != "model"} == {k: v for k, v in named.items() if k != "model"}
    assert main(["info", str(path), "--resolution", "96"]) == 2
    assert "takes images of 64 pixels, not 96" in capsys.readouterr().err


def test_without_json_it_is_for_people(capsys):
    assert main(["info", "Small"]) == 0
    assert "parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ResNet5"], "unknown model 'ResNet5'; near names: ResNet50"),
        (["InceptionV3", "--resolution", "64"], "resolution 64 is too small: 75 or more is allowed for InceptionV3"),
        (["Small", "--parts", "clasifier"], "unknown part 'clasifier'; near names: classifier"),
        (["none.keras"], "model none.keras does not exist"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(capsys, arguments, told):
    assert main(["info", *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert told in said[0]
