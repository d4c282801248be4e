import pytest

from deepgalaxy.errors import InputError
from deepgalaxy.files import replacing, told_if_unwritable


def test_a_file_takes_its_place_whole(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with replacing(path) as partial:
        partial.write_text("one")
        assert partial.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "one"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_what_fails_half_way_leaves_the_old_one(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write_half():
        with replacing(path) as partial:
            partial.write_text("ne")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_what_can_not_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="can't write .*/file/x: (Not a directory|File exists)"),
        replacing(tmp_path / "file" / "x"),
    ):
        pass
    with pytest.raises(InputError, match="can't write x: No space left"), told_if_unwritable("x"):
        raise OSError(28, "No space left on device")
