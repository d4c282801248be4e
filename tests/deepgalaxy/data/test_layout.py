import h5py
import numpy as np
import pytest

from deepgalaxy.data.layout import add_simulation, atomic_file, join, read_catalogue
from deepgalaxy.errors import InputError
from tests.conftest import SNAPSHOTS, write_data


def test_a_catalogue_lists_what_a_file_holds(data_file):
    catalogue = read_catalogue(data_file)
    assert catalogue.resolution == 32
    assert catalogue.images == 2 * 14 * SNAPSHOTS
    assert {s.camera for s in catalogue.sequences} == set(range(14))
    assert list(catalogue.sequences[0].classes) == list(range(SNAPSHOTS))


def test_classes_count_from_the_groups_first_time(tmp_path):
    path = tmp_path / "late.hdf5"
    with atomic_file(path) as file:
        add_simulation(file, "s_1_m_1", 1, 100 + 5.0 * np.arange(4), (32, "uint8"), {})
    catalogue = read_catalogue(path)
    assert list(catalogue.sequences[0].classes) == [0, 1, 2, 3]
    assert catalogue.dtype == np.uint8


def drop_camera(file):
    del file["s_0.5_m_0.25/images_camera_07"]


def drop_times(file):
    del file["s_1_m_1/t_myr_camera_03"]


def rename_group(file):
    file.move("s_1_m_1", "merger1")


def reverse_times(file):
    times = file["s_1_m_1/t_myr_camera_02"]
    times[...] = times[...][::-1]


def crowd_times(file):
    file["s_1_m_1/t_myr_camera_02"][3] = 10.5


def shorten_times(file):
    del file["s_1_m_1/t_myr_camera_00"]
    file["s_1_m_1/t_myr_camera_00"] = np.arange(3.0)


def mix_resolutions(file):
    del file["s_1_m_1/images_camera_13"]
    file["s_1_m_1/images_camera_13"] = np.zeros((SNAPSHOTS, 16, 16, 1), np.float32)


def colour(file):
    del file["s_1_m_1/images_camera_00"]
    file["s_1_m_1/images_camera_00"] = np.zeros((SNAPSHOTS, 32, 32, 3), np.float32)


def empty(file):
    file.clear()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (drop_camera, "group s_0.5_m_0.25 lacks images_camera_07"),
        (drop_times, "s_1_m_1/t_myr_camera_03 is missing"),
        (rename_group, "group 'merger1' is not named s_<size ratio>_m_<mass ratio>"),
        (reverse_times, "s_1_m_1/t_myr_camera_02 is not finite and increasing"),
        (crowd_times, "s_1_m_1/t_myr_camera_02 has two images within one class of 5 Myr"),
        (shorten_times, r"s_1_m_1/t_myr_camera_00 has shape \(3,\), but there are 12 images"),
        (mix_resolutions, "mixed resolutions: s_0.5_m_0.25/images_camera_00 is 32 pixels, .*camera_13 is 16"),
        (colour, r"s_1_m_1/images_camera_00 has shape \(12, 32, 32, 3\), not \(T, H, H, 1\)"),
        (empty, "no images_camera_NN in any group"),
    ],
)
def test_a_harmed_file_is_told_with_its_name_group_and_reason(tmp_path, harm, told):
    path = write_data(tmp_path / "mergers_32.hdf5")
    with h5py.File(path, "r+") as file:
        harm(file)
    with pytest.raises(InputError, match=told) as error:
        read_catalogue(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 100, 5000, -2000])
def test_a_truncated_file_is_told(tmp_path, keep):
    path = write_data(tmp_path / "mergers_32.hdf5")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="damaged or is no HDF5 file"):
        read_catalogue(path)


def test_files_that_are_none_are_told(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_catalogue(tmp_path / "none.hdf5")
    with pytest.raises(InputError, match="does not exist"):
        read_catalogue(tmp_path)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "x.hdf5"
    with pytest.raises(KeyboardInterrupt), atomic_file(path) as file:
        file["a"] = 1
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_joining_keeps_what_was_there_byte_for_byte(tmp_path):
    whole = write_data(tmp_path / "whole.hdf5", groups=("s_1_m_1",))
    with h5py.File(whole) as file:
        before = file["s_1_m_1/images_camera_05"][...]
    part = write_data(tmp_path / "part.hdf5", groups=("s_0.5_m_0.5",))
    join(whole, [part])
    assert {s.group for s in read_catalogue(whole).sequences} == {"s_1_m_1", "s_0.5_m_0.5"}
    with h5py.File(whole) as file:
        assert np.array_equal(file["s_1_m_1/images_camera_05"][...], before)
        assert file["s_0.5_m_0.5"].attrs["seed"] == 0
        assert file["s_0.5_m_0.5/images_camera_00"].chunks == (1, 32, 32, 1)
