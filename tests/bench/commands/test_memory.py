"""`dgbench memory` on the peaks that come with the suite."""

import json

import pytest

from bench.cli import main
from bench.store.memory import SHIPPED, read
from deepgalaxy.networks import costs
from deepgalaxy.networks.catalogue import BACKBONES
from deepgalaxy.networks.costs import memory_costs

GB = 1e9


def rows(capsys, *options):
    assert main(["memory", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_projected_peak_says_so_and_has_its_interval(capsys):
    told = rows(capsys)["rows"]
    assert len(told) == 3 * 3 * 2
    for row in told:
        assert row["provenance"] == "projected"
        assert 0 < row["low"] < row["peak_rss_bytes"] < row["high"]


def test_the_papers_three_cases_stand_beside_the_projected_ones(capsys):
    told = rows(capsys)["rows"]
    published = {
        (r["backbone"], r["resolution"], r["batch_size"]): r["published_bytes"] for r in told if r["published_bytes"]
    }
    assert published == {
        ("EfficientNetB4", 512, 8): 16 * GB,
        ("EfficientNetB4", 1024, 8): 43 * GB,
        ("EfficientNetB7", 2048, 1): 150 * GB,
    }


def test_measured_points_are_predicted_without_themselves(capsys):
    told = rows(capsys, "--errors")
    assert told["point"]["summary"]["points"] >= 40
    assert told["point"]["summary"]["median"] <= 0.05
    assert len({row["backbone"] for row in told["point"]["rows"]}) >= 5
    assert told["backbone"]["summary"]["median"] <= 0.15
    assert main(["memory", "--errors"]) == 0
    assert "without the backbone" in capsys.readouterr().out


def test_every_backbone_can_be_predicted(capsys):
    told = rows(capsys, "--backbone", *BACKBONES, "--resolution", "224", "--batch-size", "8")["rows"]
    assert [row["backbone"] for row in told] == list(BACKBONES)


def test_points_of_a_backbone_without_costs_are_left_out_and_named(monkeypatch, capsys):
    known = {name: cost for name, cost in memory_costs().items() if name != "MobileNetV2"}
    monkeypatch.setattr(costs, "memory_costs", lambda: known)
    assert main(["memory", "--errors"]) == 0
    out, err = capsys.readouterr()
    assert "left out: MobileNetV2, whose costs python tools/network_costs.py MobileNetV2 finds" in err
    assert "VGG16" in out and "MobileNetV2" not in out


def test_what_was_saved_is_fitted_again(tmp_path, capsys):
    told = rows(capsys, "--save", str(tmp_path / "peaks.json"))
    assert read(tmp_path / "peaks.json") == read(SHIPPED)
    assert set(told["fitted_on"]) == {"cpu", "cores", "software", "dates_utc"}


def test_the_figure_and_the_table_name_their_provenance(tmp_path, capsys):
    assert main(["memory", "--figure", str(tmp_path / "memory")]) == 0
    said = capsys.readouterr().out
    assert "projected [GiB]" in said and "published [GiB]" in said and "projected from" in said
    drawn = (tmp_path / "memory.svg").read_text()
    for label in ("projected, 95% interval", "measured", "published (Cai et al. 2020)", "EfficientNetB7"):
        assert label in drawn
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--backbone", "EfficientNetB9"], "unknown backbone 'EfficientNetB9'; near names: "),
        (["--precision", "fp23"], "unknown precision 'fp23'"),
        (["--mode", "load"], "unknown mode 'load'"),
        (["--optimizer", "Adadleta"], "unknown optimizer 'Adadleta'; near names: Adadelta"),
        (["--batch-size", "0"], "--batch-size 0 is too small"),
        (["--resolution", "16"], "--resolution 16 is too small: 32 or more is allowed for EfficientNetB0"),
        (["--results", "nowhere"], "--results nowhere is no folder of results"),
    ],
)
def test_wrong_input_is_one_line(options, told, capsys):
    assert main(["memory", *options]) == 2
    said = capsys.readouterr().err
    assert told in said and said.count("\n") == 1
