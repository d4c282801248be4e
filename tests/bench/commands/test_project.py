"""`dgbench project`: curves, validation, what-ifs, and that no projection passes for a measurement."""

import csv
import json

import msgspec
import pytest

from bench.analysis.gate import points
from bench.cli import main
from bench.commands.project import PUBLISHED
from bench.store import baselines
from deepgalaxy.errors import InputError
from deepgalaxy.words import Provenance


def rows(capsys, *options):
    assert main(["project", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_curve_over_worker_counts(capsys):
    found = rows(capsys, "--workers", "4:1024", "--resolution", "1024", "--batch-size", "8", "--images", "28627")
    assert [row["workers"] for row in found] == [4, 8, 16, 32, 64, 128, 256, 512, 1024]
    assert {row["provenance"] for row in found} == {"projected"}
    assert found[0]["training_hours"] > found[-1]["training_hours"] > 0
    assert main(["project", "--workers", "4,8"]) == 0
    assert capsys.readouterr().out.startswith("projected: EfficientNetB4")


@pytest.mark.parametrize("better", [["--fp16"], ["--network", "infiniband-ndr"], ["--workers-per-node", "1"]])
def test_what_if(capsys, better):
    slow = ["--workers", "64", "--baseline-workers", "1", "--network", "ethernet-10", "--step-seconds", "0.5"]
    assert rows(capsys, *slow, *better)[0]["efficiency"] > rows(capsys, *slow)[0]["efficiency"]


def test_what_ifs_stand_side_by_side(capsys):
    options = ["--workers", "4,64", "--network", "ethernet-10", "--step-seconds", "0.5"]
    scenarios = ["--what-if", "fp16", "network=infiniband-ndr,workers-per-node=1"]
    assert main(["project", *options, *scenarios]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("as it is", "fp16", "network=infiniband-ndr,workers-per-node=1"))
    found = rows(capsys, *options, *scenarios)
    by = {(row.get("what_if"), row["workers"]): row["efficiency"] for row in found}
    assert by["network=infiniband-ndr,workers-per-node=1", 64] > by["fp16", 64] > by[None, 64]


def test_files_carry_what_they_are(tmp_path, capsys):
    assert main(["project", "--workers", "4,16,64", "--out", str(tmp_path / "curve")]) == 0
    with (tmp_path / "curve.csv").open() as file:
        assert {row["provenance"] for row in csv.DictReader(file)} == {"projected"}
    assert "projected" in (tmp_path / "curve.svg").read_text()
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_validation_prints_predicted_beside_published(capsys):
    found = rows(capsys, "--validate")
    assert found["summary"]["median"] <= 0.05
    assert all({"predicted_efficiency", "published_efficiency"} <= set(row) for row in found["rows"])
    assert main(["project", "--validate", str(PUBLISHED)]) == 0
    assert "absolute error of efficiency over" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--network", "omnipath"], "unknown network 'omnipath'; near names: omni-path-100"),
        (["--profile", "EfficientNetB4-512px"], "unknown profile"),
        (["--step-seconds", "-1"], "--step-seconds -1.0 is not above 0"),
        (["--what-if", "netwrok=x"], "unknown change 'netwrok'; near names: network"),
        (["--what-if", "batch-size=0"], "batch-size '0' is no number above 0"),
        (["--what-if", "scaling=odd"], "scaling 'odd' is none of weak, strong"),
        (["--what-if", "fp16=1"], "fp16 takes no value"),
        (["--calibration", "none.json"], "--calibration none.json: No such file or directory"),
        (["--validate", "none.json"], "--validate none.json: No such file or directory"),
        (["--validate", "README.md"], "README.md is no JSON"),
        (["--fit", "jobs"], "jobs is no folder of results"),
        (["--out", "none/curve"], "there is no folder none"),
    ],
)
def test_wrong_input_is_one_line(capsys, options, told):
    assert main(["project", *options]) == 2
    assert told in capsys.readouterr().err


def test_laws_are_fitted_to_measured_points(tmp_path, make_record, capsys):
    from bench.store.results import Results

    results = Results(tmp_path)
    for workers, seconds in ((1, 1.0), (2, 1.05), (4, 1.1), (8, 1.16)):
        record = make_record([[seconds * (1 + 0.001 * i) for i in range(6)]] * workers)
        results.write(record, results.new_launch(record.spec)[1])
    assert main(["project", "--fit", str(tmp_path), "--workers", "8,128"]) == 0
    said = capsys.readouterr().out
    assert "Amdahl" in said and "Universal Scalability Law" in said
    assert "EXTRAPOLATED 16 times" in said


def test_a_projected_record_is_no_baseline_and_passes_no_gate(make_record):
    projected = [make_record([[1.0] * 4], launch=i, provenance=Provenance.PROJECTED) for i in (1, 2)]
    with pytest.raises(InputError, match="is projected, and only measured points can be gated"):
        points(projected)
    at_site = [msgspec.structs.replace(record, site="here") for record in projected]
    with pytest.raises(InputError, match="projected"):
        baselines.from_records("here", "main", at_site, [])
