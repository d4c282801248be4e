import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.campaign.site import load_site
from bench.launch.allocation import find, hostnames
from deepgalaxy.errors import InputError


@pytest.mark.parametrize(
    ("short", "spelled"),
    [
        ("node1", ["node1"]),
        ("node[1-3]", ["node1", "node2", "node3"]),
        ("n[08-11],login", ["n08", "n09", "n10", "n11", "login"]),
        ("a[1,3-4]b,c[2]", ["a1b", "a3b", "a4b", "c2"]),
        ("r[1-2]n[1-2]", ["r1n1", "r1n2", "r2n1", "r2n2"]),
        ("", []),
    ],
)
def test_slurms_short_form_is_spelled_out(short, spelled):
    assert hostnames(short) == spelled


@pytest.mark.parametrize("wrong", ["n[1", "n1]", "n[a-b]", "n[1-]x["])
def test_another_form_is_told(wrong):
    with pytest.raises(InputError, match="is not of Slurm's form"):
        hostnames(wrong)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(1, 4))
def test_a_range_has_all_its_nodes_with_their_zeros(first, more, width):
    names = hostnames(f"n[{first:0{width}}-{first + more:0{width}}]")
    assert names == [f"n{i:0{width}}" for i in range(first, first + more + 1)]


def test_a_job_tells_its_nodes_and_its_end():
    end = int(time.time()) + 60
    told = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_END_TIME": str(end)}
    found = find(told)
    assert (found.hosts, found.job) == (("n1", "n2"), "7")
    assert 50 < found.remaining_s() <= 60
    assert found.narrowed(load_site("local")).nodes == 2


def test_without_a_job_it_is_this_machine_for_ever():
    found = find({})
    assert found.hosts == () and found.remaining_s() == float("inf")
    assert found.narrowed(load_site("local")) == load_site("local")


def test_a_host_file_in_any_spelling(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("# ours\nn1 slots=4\nn2:4\n\nn3   # spare\nn1\n")
    assert find({"SLURM_JOB_ID": "7"}, path).hosts == ("n1", "n2", "n3")
    path.write_text("n1\n$(reboot)\n")
    with pytest.raises(InputError, match=r"line 2: '\$\(reboot\)' is no host"):
        find({}, path)
    path.write_text("# none\n")
    with pytest.raises(InputError, match="names no host"):
        find({}, path)
    with pytest.raises(InputError, match="host file"):
        find({}, tmp_path / "none")
