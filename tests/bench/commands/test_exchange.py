"""`dgbench export | import`, from files to files."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from bench.cli import main
from bench.store import imported
from bench.store.results import Results
from deepgalaxy.words import Outcome, Provenance

EPOCH = (
    "[Performance] Epoch {} takes 10.00 seconds. Throughput: 25.00 images/sec (per worker), 100.00 images/sec (total)\n"
)
LOG = "batch_size = 4, global_batch_size = 16, num_workers = 4\n" + "".join(EPOCH.format(i) for i in range(6))
KNOWN = ["--from", "deepgalaxy-train-log", "--backbone", "EfficientNetB4", "--resolution", "512"]


@pytest.fixture
def results(tmp_path, make_record):
    """A folder of two measured points and one that failed."""
    folder = Results(tmp_path / "results")
    for record in (
        make_record([[1.0] * 6]),
        make_record([[1.25] * 6] * 2),
        make_record([[1.0]] * 4, outcome=Outcome.OOM, reason="out of memory"),
    ):
        folder.write(record, folder.new_launch(record.spec)[1])
    return folder.folder


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "train_log.txt"
    path.write_text(LOG)
    return path


def refused(capsys, *arguments):
    assert main([str(a) for a in arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_an_imported_log_stands_in_the_exported_table(results, log, tmp_path, capsys):
    assert main(["import", str(log), *KNOWN, "--results", str(results), "--site", "Endeavour", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert told["throughput_images_per_s"] == pytest.approx(100.0)
    (point,) = imported.read(results)
    assert point.source_sha256 == hashlib.sha256(log.read_bytes()).hexdigest()
    assert (point.provenance, point.workers, point.site) == (Provenance.PUBLISHED, 4, "Endeavour")
    for form, read in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        out = tmp_path / f"table.{form}"
        assert main(["export", str(results), "--format", form, "--out", str(out), "--baseline", "1"]) == 0
        table = read(out)
        assert list(table["provenance"]) == ["measured"] * 3 + ["published"]
        assert list(table["outcome"]) == ["ok", "ok", "oom", "ok"]
        assert table["efficiency"].iloc[1] == pytest.approx(0.8) and pd.isna(table["efficiency"].iloc[3])
        assert "validation" in table["note"].iloc[3]


def test_import_again_changes_nothing_and_other_details_are_refused(results, log, capsys):
    command = ["import", str(log), *KNOWN, "--results", str(results)]
    assert main(command) == 0
    (path,) = (results / "imported").iterdir()
    before = path.read_bytes()
    assert main(command) == 0
    assert path.read_bytes() == before
    capsys.readouterr()
    assert "imported already with site 'not stated', now it is 'mine'" in refused(capsys, *command, "--site", "mine")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--workers", "8"], "--workers 8 is not what"),
        (["--batch-size", "2"], "--batch-size 2 is not what"),
        (["--resolution", "0"], "resolution 0 is too small"),
        (["--from", "tf-cnn-benchmarks"], "it looks like one for --from deepgalaxy-train-log"),
    ],
)
def test_what_the_log_contradicts_is_refused(results, log, capsys, change, told):
    assert told in refused(capsys, "import", log, *KNOWN, *change, "--results", results)
    assert not (results / "imported").exists()


def test_what_nobody_tells_is_asked_for(results, log, capsys):
    assert "give --resolution" in refused(capsys, "import", log, *KNOWN[:-2], "--results", results)
    assert "No such file" in refused(capsys, "import", "none.txt", *KNOWN, "--results", results)


def test_workers_must_fit_what_two_decimals_tell(results, tmp_path, capsys):
    log = tmp_path / "slow.txt"
    figures = "Throughput: 0.10 images/sec (per worker), 25.60 images/sec (total)"
    log.write_text("".join(f"[Performance] Epoch {i} takes 99.00 seconds. {figures}\n" for i in range(5)))
    command = ["import", log, *KNOWN, "--batch-size", "4", "--results", results]
    assert "give --workers" in refused(capsys, *command)
    assert "--workers 512 can't be" in refused(capsys, *command, "--workers", "512")
    assert main([str(a) for a in [*command, "--workers", "256"]]) == 0


def test_launches_are_exported_and_what_is_left_out_is_told(results, log, tmp_path, capsys):
    assert main(["import", str(log), *KNOWN, "--results", str(results)]) == 0
    capsys.readouterr()
    for form, launches in (("mlperf", 3), ("extrap", 2)):
        out = tmp_path / form
        assert main(["export", str(results), "--format", form, "--out", str(out), "--json"]) == 0
        said = capsys.readouterr()
        told = json.loads(said.out)
        assert (told["files"], told["launches"]) == ([str(out)], launches)
        assert "left out 1 imported points" in said.err
        assert "measured" in out.read_text()
    assert "left out 1 launches that did not end well" in said.err


def test_curves_with_other_counts_go_into_files_of_their_own(results, make_record, tmp_path, capsys):
    record = make_record([[1.0] * 6] * 4, batch_size=2)
    folder = Results(results)
    folder.write(record, folder.new_launch(record.spec)[1])
    assert main(["export", str(results), "--format", "extrap", "--out", str(tmp_path / "x.json"), "--json"]) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert [Path(f).name for f in files] == ["x-1.json", "x-2.json"]
    assert [len(json.loads(Path(f).read_text())["measurements"]) for f in files] == [1, 1]


def test_a_folder_without_results_and_an_unknown_campaign_are_refused(tmp_path, capsys):
    out = ["--format", "csv", "--out", tmp_path / "t.csv"]
    assert "holds no results" in refused(capsys, "export", tmp_path, *out)
    assert list(tmp_path.iterdir()) == []
    assert "near names: quick" in refused(capsys, "export", "quikc", *out)


def test_imported_results_alone_have_no_launches_to_export(log, tmp_path, capsys):
    folder = tmp_path / "others"
    assert main(["import", str(log), *KNOWN, "--results", str(folder)]) == 0
    capsys.readouterr()
    told = refused(capsys, "export", folder, "--format", "extrap", "--out", tmp_path / "x.json")
    assert "all of these results were imported" in told
    assert main(["export", str(folder), "--format", "csv", "--out", str(tmp_path / "t.csv")]) == 0


def test_a_damaged_imported_point_is_named(results, tmp_path, capsys):
    (results / "imported").mkdir()
    (results / "imported" / "x.json").write_text('{"program": 1}')
    told = refused(capsys, "export", results, "--format", "csv", "--out", tmp_path / "t.csv")
    assert "x.json" in told


def test_an_unknown_format_lists_the_known_ones(results, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["export", str(results), "--format", "xlsx", "--out", str(tmp_path / "t")])
    assert ended.value.code == 2
    assert "'csv', 'parquet', 'mlperf', 'extrap'" in capsys.readouterr().err
