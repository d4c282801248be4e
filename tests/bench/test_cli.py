"""Wrong input to the commands: one clear line, exit code 2, no traceback, nothing overwritten."""

import json
import os
import subprocess
import sys

import pytest

from bench import REPOSITORY
from bench.cli import main


def pytest_bench(*options, timeout=60):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "bench/", *options],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        # Where these tests run several at a time, pytest-benchmark would take this for one of their workers.
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")},
        check=False,
        timeout=timeout,
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--backbone", "EfficientnetB00"], "unknown backbone 'EfficientnetB00'; near names: EfficientNetB0"),
        (["--workers", "0"], "--workers '0': 0 is too small, 1 or more is allowed"),
        (["--workers", "4:2"], "--workers '4:2' runs downwards; write 2:4"),
        (["--resolution", "16"], "resolution 16 is too small: 32 or more is allowed for EfficientNetB0"),
        (["--resolution", "large"], "--resolution 'large' is not a whole number"),
        (["--precision", "fp16"], "--precision: unknown value 'fp16'"),
        (["--data", "none.hdf5"], "data file none.hdf5 does not exist"),
        (["--site", "nowhere"], "unknown site 'nowhere'"),
        (["--baseline-workers", "0"], "--baseline-workers 0 is too small"),
        (["--launches", "0"], "--launches 0 is too small"),
        (["--baseline", "mian"], "unknown baseline of local 'mian'"),
        (["--results", "/dev/null/results"], "results folder /dev/null/results can't be written"),
    ],
)
def test_pytest_bench_refuses_wrong_input_in_one_line(options, told):
    done = pytest_bench(*options)
    assert done.returncode == 2
    said = (done.stdout + done.stderr).strip().splitlines()
    assert len(said) == 1, said
    assert told in said[0]


def test_a_truncated_data_file_is_refused(tmp_path, data_file):
    cut = tmp_path / "cut.hdf5"
    cut.write_bytes(data_file.read_bytes()[:3000])
    done = pytest_bench("--data", str(cut))
    assert done.returncode == 2
    assert "cut.hdf5 is damaged or is no HDF5 file" in done.stderr
    assert "Traceback" not in done.stderr


def test_counts_beyond_the_machine_are_skipped_with_the_reason():
    done = pytest_bench("--workers", "100000", "-rs", "-q")
    assert done.returncode == 0
    assert "100000 workers need" in done.stdout
    assert "3 skipped" in done.stdout  # training, inference, loading


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "quik"], "unknown campaign 'quik'; near names: quick"),
        (["run", "none.toml"], "campaign file none.toml does not exist"),
        (["run", "quick", "--site", "x"], "unknown site 'x'"),
        (["run", "quick", "--results", "/dev/null/results"], "results folder /dev/null/results can't be written"),
        (["report", "quick", "--results", "/proc/results"], "results folder /proc/results can't be written"),
        (["overhead", "--rounds", "-1"], "--rounds -1 is too small"),
    ],
)
def test_dgbench_refuses_wrong_input_in_one_line(capsys, arguments, told):
    assert main(arguments) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("error: ")
    assert told in said[0]


def test_list_shows_what_ships(capsys):
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "quick" in found["campaigns"]
    assert "local" in found["sites"]


def test_the_command_line_is_a_contract(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for command in ("run", "report", "overhead", "list"):
        assert f"\n    {command} " in shown


def test_env_tells_what_records_hold(capsys):
    assert main(["env", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {"cpu", "cores", "kernel", "tensorflow", "lock_sha256"} <= set(facts)
    assert main(["env"]) == 0
    assert "kernel" in capsys.readouterr().out
