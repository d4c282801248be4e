import pytest

from deepgalaxy.words import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 cores"), (1, "1 core"), (2, "2 cores"), (2.0, "2 cores")])
def test_one_of_a_thing_is_not_several(number, text):
    assert counted(number, "core") == text
