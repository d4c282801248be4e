import json
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import psutil
import pytest
from PIL import Image

from bench import REPOSITORY
from deepgalaxy.cli import main
from deepgalaxy.data.layout import read_catalogue

SMALL = ["--particles", "400", "--snapshots", "3", "--time-step", "2.5", "--resolution", "64"]


def simulate(folder, *options, capsys=None):
    code = main(["simulate", "--out", str(folder), *SMALL, *options, "--json"])
    return code, json.loads(capsys.readouterr().out) if capsys and code == 0 else None


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.hdf5")}


def arrays(folder):
    """Every data set and every number among the attributes, by file and name."""
    found = {}
    for path in sorted(folder.rglob("*.hdf5")):

        def keep(name, item, path=path):
            where = f"{path.relative_to(folder)}: {name or 'file'}"
            numbers = {key: value for key, value in item.attrs.items() if not isinstance(value, str)}
            found.update({f"{where} {key}": np.asarray(value, dtype=float) for key, value in numbers.items()})
            if isinstance(item, h5py.Dataset):
                found[where] = item[...]

        with h5py.File(path) as file:
            keep("", file)
            file.visititems(keep)
    return found


def test_one_file_a_resolution_in_the_layout_with_its_provenance(tmp_path, capsys):
    _, said = simulate(tmp_path, "--mergers", "s_1_m_0.5", "--resolution", "64", "96", capsys=capsys)
    assert [read_catalogue(tmp_path / f"mergers_{r}.hdf5").resolution for r in (64, 96)] == [64, 96]
    assert len(said["files"]) == 2
    catalogue = read_catalogue(tmp_path / "mergers_64.hdf5")
    assert catalogue.images == 3 * 14
    with h5py.File(catalogue.path) as file:
        group = file["s_1_m_0.5"]
        parameters = json.loads(group.attrs["parameters"])
        assert (parameters["mass_ratio"], parameters["size_ratio"], parameters["particles"]) == (0.5, 1.0, 400)
        for error in ("energy_error", "momentum_error", "angular_momentum_error"):
            assert 0 <= group.attrs[error] < 0.1
        assert list(group["t_myr_camera_13"]) == [0.0, 5.0, 10.0]
        assert file["s_1_m_0.5/images_camera_00"][...].max() > 0.3


def test_the_same_seed_gives_the_same_mergers_and_workers_do_not_matter(tmp_path):
    names = ["--mergers", "s_1_m_1", "s_0.5_m_0.5"]
    simulate(tmp_path / "one", *names, "--workers", "1")
    simulate(tmp_path / "two", *names, "--workers", "2")
    one, two = arrays(tmp_path / "one"), arrays(tmp_path / "two")
    assert len(one) > 80 and one.keys() == two.keys()
    for where, values in one.items():  # NumPy and BLAS choose their code when a process starts, and may round otherwise
        np.testing.assert_allclose(two[where], values, rtol=1e-5, atol=1e-5, err_msg=where)
    simulate(tmp_path / "other", *names, "--workers", "1", "--seed", "1")
    positions = "simulations/s_1_m_1.hdf5: star_position"
    assert np.abs(arrays(tmp_path / "other")[positions] - one[positions]).max() > 1


def test_another_resolution_and_more_mergers_reuse_what_is_there(tmp_path, capsys):
    simulate(tmp_path, "--mergers", "s_1_m_1")
    stars = tmp_path / "simulations" / "s_1_m_1.hdf5"
    before = stars.stat().st_mtime_ns
    capsys.readouterr()
    simulate(tmp_path, "--mergers", "s_1_m_1", "s_0.5_m_0.5", "--resolution", "64", "80")
    assert stars.stat().st_mtime_ns == before
    for resolution in (64, 80):
        assert read_catalogue(tmp_path / f"mergers_{resolution}.hdf5").images == 2 * 3 * 14
    assert not (tmp_path / ".parts").exists()
    capsys.readouterr()
    simulate(tmp_path, "--mergers", "s_1_m_1")
    assert "0 mergers of 400 particles done in 0:00, 1 were there" in capsys.readouterr().err


def test_eight_bits_and_floats_show_the_same(tmp_path):
    simulate(tmp_path / "float", "--mergers", "s_1_m_1")
    simulate(tmp_path / "bytes", "--mergers", "s_1_m_1", "--dtype", "uint8")
    images = [
        h5py.File(tmp_path / kind / "mergers_64.hdf5")["s_1_m_1/images_camera_03"][...] for kind in ("float", "bytes")
    ]
    assert images[1].dtype == np.uint8
    assert np.abs(images[0] - images[1] / 255).max() < 0.002


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--particles", "500"], "s_1_m_1 was made with particles 400, not 500: choose another folder"),
        (["--seed", "1"], "was made with seed 0, not 1"),
        (["--snapshots", "4"], "was made with snapshots 3, not 4"),
        (["--dtype", "uint8"], "was made with dtype float32, not uint8"),
    ],
)
def test_what_was_made_otherwise_is_not_overwritten(tmp_path, capsys, options, told):
    simulate(tmp_path, "--mergers", "s_1_m_1")
    before = contents(tmp_path)
    capsys.readouterr()
    assert simulate(tmp_path, "--mergers", "s_1_m_1", *options)[0] == 2
    assert told in capsys.readouterr().err
    assert contents(tmp_path) == before


def test_a_gallery_has_a_row_a_merger_and_a_column_a_class(tmp_path):
    path = tmp_path / "pictures" / "gallery.png"
    simulate(tmp_path, "--mergers", "s_1_m_1", "s_0.5_m_0.5", "--snapshots", "12", "--gallery", str(path))
    width, height = Image.open(path).size
    assert 0.7 < width / height < 1.4  # classes 0 and 10 of two mergers


def test_a_killed_command_leaves_no_process_and_goes_on_where_it_was(tmp_path):
    command = [sys.executable, "-m", "deepgalaxy.cli", "simulate", "--out", str(tmp_path), "--particles", "1000"]
    command += ["--mergers", "s_1_m_1", "s_1_m_0.25", "s_1_m_0.5", "--resolution", "64", "--workers", "2"]
    command += ["--time-step", "5"]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(".parts/64/*.hdf5")) and time.monotonic() < deadline:
            time.sleep(0.1)
        children = psutil.Process(running.pid).children(recursive=True)
        running.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("simulations/s_*.hdf5")}
    assert finished
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    assert read_catalogue(tmp_path / "mergers_64.hdf5").images == 3 * 71 * 14
    assert all(path.stat().st_mtime_ns == then for path, then in finished.items())
    assert not [p for p in tmp_path.rglob("*") if "partial" in p.name]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--mergers", "big"], "--mergers 'big' is not of the form s_<size ratio>_m_<mass ratio>"),
        (["--mergers", "s_1_m_1", "s_1_m_1"], "name at least one, each once"),
        (["--mergers", "s_1_m_0"], "mass_ratio 0.0 is not positive"),
        (["--particles", "10"], "particles 10 is too small"),
        (["--resolution", "16"], "resolution 16 is outside 64 to 2048"),
        (["--snapshots", "100"], "snapshots 100 is outside 2 to 71"),
        (["--dtype", "float16"], "dtype 'float16'; allowed: float32, uint8"),
        (["--workers", "0"], "--workers 0 is less than 1"),
        (["--bulge-mass", "-1"], "bulge_mass -1.0 is not positive"),
        (["--time-step", "9"], "time_step_myr 9.0 is not above 0 and up to 5"),
        (["--out", "/dev/null/x"], "can't write /dev/null/x: Not a directory"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(capsys, options, told):
    workers = [] if "--workers" in options else ["--workers", "1"]
    assert main(["simulate", *workers, *options]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert told in said[0]


def test_the_grid_is_the_papers_36():
    from deepgalaxy.cli import parser
    from deepgalaxy.commands.simulate import _encounters

    names = [e.group_name for e in _encounters(parser().parse_args(["simulate", "--mergers", "grid"]))]
    assert len(set(names)) == 36
    assert {"s_0.25_m_0.25", "s_1.25_m_0.5", "s_1_m_1", "s_1.5_m_1.5"} <= set(names)
