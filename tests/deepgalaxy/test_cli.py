import json

import h5py
import pytest

from deepgalaxy.cli import main
from deepgalaxy.data.layout import read_catalogue


def test_simulate_writes_one_file_a_resolution_in_the_layout(tmp_path, capsys):
    arguments = ["simulate", "--out", str(tmp_path), "--mergers", "s_1_m_0.5", "--particles", "400"]
    assert main([*arguments, "--snapshots", "3", "--time-step", "2.5", "--resolution", "64", "96", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [read_catalogue(tmp_path / f"mergers_{r}.hdf5").resolution for r in (64, 96)] == [64, 96]
    assert len(said["files"]) == 2
    catalogue = read_catalogue(tmp_path / "mergers_64.hdf5")
    assert catalogue.images == 3 * 14
    with h5py.File(catalogue.path) as file:
        group = file["s_1_m_0.5"]
        parameters = json.loads(group.attrs["parameters"])
        assert (parameters["mass_ratio"], parameters["size_ratio"], parameters["particles"]) == (0.5, 1.0, 400)
        assert 0 <= group.attrs["relative_energy_error"] < 0.1
        assert list(group["t_myr_camera_13"]) == [0.0, 5.0, 10.0]
        assert file["s_1_m_0.5/images_camera_00"][...].max() > 0.3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--mergers", "big"], "--mergers 'big' is not of the form s_<size ratio>_m_<mass ratio>"),
        (["--mergers", "s_1_m_1", "s_1_m_1"], "name at least one, each once"),
        (["--mergers", "s_1_m_0"], "mass_ratio 0.0 is not positive"),
        (["--particles", "10"], "particles 10 is too small"),
        (["--resolution", "16"], "resolution 16 is outside 64 to 2048"),
        (["--snapshots", "100"], "snapshots 100 is outside 2 to 71"),
        (["--out", "/dev/null/x"], "can't write /dev/null/x/mergers_128.hdf5: Not a directory"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(capsys, options, told):
    assert main(["simulate", *options]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert told in said[0]
