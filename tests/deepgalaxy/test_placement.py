import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgalaxy.placement import cores_of_rank, local_rank, physical_cores


@given(st.integers(1, 64), st.integers(1, 16))
def test_ranks_that_fit_share_no_core(cores, each):
    if each > cores:
        return
    taken = [cores_of_rank(range(cores), rank, each) for rank in range(cores // each)]
    assert all(len(t) == each for t in taken)
    assert len(set().union(*taken)) == sum(map(len, taken))


def test_ranks_beyond_the_slots_begin_again():
    assert cores_of_rank([0, 1, 2, 3], 2, 2) == cores_of_rank([0, 1, 2, 3], 0, 2)


def test_only_one_thread_of_a_core_counts_and_sockets_stay_together(tmp_path):
    # Two sockets, two cores each, two threads a core, numbered across sockets as many machines do.
    for cpu in range(8):
        topology = tmp_path / f"cpu{cpu}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(str(cpu % 2))
        (topology / "core_id").write_text(str(cpu // 2 % 2))
    assert physical_cores(set(range(8)), tmp_path) == [0, 2, 1, 3]


def test_without_topology_every_cpu_is_a_core(tmp_path):
    assert physical_cores({3, 1}, tmp_path) == [1, 3]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, 0), ({"OMPI_COMM_WORLD_LOCAL_RANK": "3"}, 3), ({"HOROVOD_LOCAL_RANK": "1"}, 1), ({"SLURM_LOCALID": "2"}, 2)],
)
def test_the_rank_on_its_node_is_what_the_launcher_says(environment, expected):
    assert local_rank(environment) == expected
