"""`dgbench compare | check | baseline` on records made by hand."""

import json
import xml.etree.ElementTree as Xml

import msgspec
import pytest

from bench.cli import main
from bench.store import baselines
from bench.store.results import Results
from deepgalaxy.words import Provenance

POINT = "train EfficientNetB0 fp32 tensorflow 32px b4 w1"


@pytest.fixture
def stored(tmp_path, make_record, monkeypatch):
    """A function that stores launches of one point in a folder of results."""
    monkeypatch.setattr(baselines, "BASELINES", tmp_path / "baselines")

    def store(name, seconds, machine=None, yardstick_s=0.0, **fields):
        results = Results(tmp_path / name)
        for second in seconds:
            record = make_record([[second] * 8], **fields)
            beside = [yardstick_s * second] * 8 if yardstick_s else []  # the machine is what differs between launches
            ranks = [msgspec.structs.replace(rank, yardstick_time_s=beside) for rank in record.ranks]
            record = msgspec.structs.replace(record, ranks=ranks)
            launch, folder = results.new_launch(record.spec)
            facts = machine or {"cpu": "Xeon"}
            results.write(msgspec.structs.replace(record, site="local", machine=facts, launch=launch), folder)
        return str(tmp_path / name)

    return store


def test_two_folders_are_compared_point_by_point(stored, capsys):
    a, b = stored("a", [1.0, 1.01, 0.99]), stored("b", [1.3, 1.31, 1.29])
    assert main(["compare", a, b, "--json"]) == 0
    speed, memory = json.loads(capsys.readouterr().out)
    assert (speed["point"], speed["verdict"], memory["verdict"]) == (POINT, "improved", "pass")
    assert speed["ratio"] == pytest.approx(1.3, rel=0.01)
    assert main(["compare", b, a]) == 0
    assert "regressed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "code", "verdict"),
    [
        ([1.0, 1.01, 0.99], 0, "pass"),
        ([0.8, 0.81, 0.79], 0, "improved"),
        ([1.2, 1.21, 1.19], 1, "regressed"),
        ([1.2], 3, "inconclusive"),
        ([], 4, "no data"),
    ],
)
def test_a_check_has_a_verdict_and_an_exit_code_of_its_own(stored, tmp_path, capsys, seconds, code, verdict):
    assert main(["baseline", "create", "quick", "--results", stored("base", [1.0, 1.01, 0.99])]) == 0
    junit = tmp_path / "check.xml"
    command = ["check", "quick", "--baseline", "main", "--results", stored("now", seconds), "--junit", str(junit)]
    assert main(command) == code
    said = capsys.readouterr()
    assert verdict in said.out and verdict in said.err
    failures = Xml.parse(junit).getroot().findall(".//failure")
    assert bool(failures) == (code != 0)


def test_a_slow_machine_fails_a_check_unless_only_the_code_is_asked_about(stored, capsys):
    fast, slow = stored("base", [1.0, 1.01, 0.99], yardstick_s=0.1), stored("now", [1.2, 1.21, 1.19], yardstick_s=0.1)
    assert main(["baseline", "create", "quick", "--results", fast]) == 0
    check = ["check", "quick", "--baseline", "main", "--results", slow]
    capsys.readouterr()
    assert main([*check, "--json"]) == 1
    found = {row["metric"]: row["verdict"] for row in json.loads(capsys.readouterr().out)}
    assert found == {"images_per_yardstick": "pass", "yardstick_time_s": "regressed", "peak_rss_bytes": "pass"}
    assert main([*check, "--ignore-machine"]) == 0


def test_a_promoted_baseline_keeps_the_old_one(stored, tmp_path, capsys):
    create = ["baseline", "create", "quick", "--results", stored("base", [1.0, 1.0])]
    assert main(create) == 0
    assert main(create) == 2
    assert "`dgbench baseline promote` renews it" in capsys.readouterr().err
    assert main(["baseline", "promote", "quick", "--results", stored("new", [2.0, 2.0])]) == 0
    kept = json.loads((tmp_path / "baselines" / "local" / "main.json").read_text())
    assert len(kept["history"]) == 1
    assert kept["points"][0]["values"]["throughput_images_per_s"] == [2.0, 2.0]
    assert main(["baseline", "list"]) == 0
    assert "local main" in capsys.readouterr().out


def test_an_expected_failure_does_not_fail_a_check(stored):
    results = stored("base", [1.0, 1.0])
    assert main(["baseline", "create", "quick", "--results", results, "--expect-failure", POINT]) == 0
    assert main(["check", "quick", "--baseline", "main", "--results", stored("now", [])]) == 0


@pytest.mark.parametrize(
    ("seconds", "fields", "told"),
    [
        ([], {}, "no measured point of site local"),
        ([1.0], {}, "has one launch; a baseline needs 2 or more"),
        ([1.0, 1.0], {"provenance": Provenance.PROJECTED}, "is projected, and only measured points can be gated"),
        ([1.0, 1.0], {"provenance": Provenance.EMULATED}, "is emulated, and only measured points can be gated"),
    ],
)
def test_what_can_be_no_baseline_is_told(stored, capsys, seconds, fields, told):
    assert main(["baseline", "create", "quick", "--results", stored("base", seconds, **fields)]) == 2
    assert told in capsys.readouterr().err


def test_another_machine_is_not_held_against_a_baseline(stored, capsys):
    assert main(["baseline", "create", "quick", "--results", stored("base", [1.0, 1.0])]) == 0
    check = ["check", "quick", "--baseline", "main", "--results", stored("now", [1.0, 1.0], machine={"cpu": "EPYC"})]
    assert main(check) == 2
    assert "measured with cpu 'Xeon', these records with 'EPYC'; --mixed" in capsys.readouterr().err
    assert main([*check, "--mixed"]) == 0
    assert main(["check", "quick", "--baseline", "mian", "--results", "/tmp"]) == 2
    assert "unknown baseline of local 'mian'; near names: main" in capsys.readouterr().err


def test_a_comparison_is_drawn(stored, tmp_path, capsys):
    folders = [stored("a", [1.0, 1.01, 0.99]), stored("b", [1.3, 1.31, 1.29])]
    plot = tmp_path / "ratios.png"
    assert main(["compare", *folders, "--plot", str(plot)]) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert "improved" in plot.with_suffix(".csv").read_text()
    assert main(["compare", *folders, "--plot", str(tmp_path / "none" / "x.png")]) == 2
    assert "there is no folder" in capsys.readouterr().err
