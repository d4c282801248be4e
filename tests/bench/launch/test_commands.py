import sys

from hypothesis import given
from hypothesis import strategies as st

from bench.campaign.site import Launcher
from bench.launch.commands import COMMANDS, horovodrun, mpirun, rank_environment, worker_command
from deepgalaxy.spec import Runtime

WORKER = ["python", "-m", "deepgalaxy.worker", "spec.json", "out"]


def test_every_launcher_has_its_command():
    assert set(COMMANDS) == set(Launcher)


def test_mpirun(make_spec):
    environment = {"OMP_NUM_THREADS": "1", "PATH": "/bin", "OMPI_MCA_mpi_yield_when_idle": "1"}
    assert mpirun(make_spec(workers=2), WORKER, environment) == [
        *("mpirun", "-np", "2", "--bind-to", "none", "-x", "OMP_NUM_THREADS"),
        *WORKER,
    ]
    shared = mpirun(make_spec(workers=4, oversubscribe=True), WORKER, {})
    assert shared == ["mpirun", "-np", "4", "--bind-to", "none", "--map-by", ":OVERSUBSCRIBE", *WORKER]


def test_horovodrun(make_spec):
    assert horovodrun(make_spec(workers=2), WORKER, {"OMP_NUM_THREADS": "1"}) == [
        *("horovodrun", "--gloo", "-np", "2", "-H", "localhost:2"),
        *WORKER,
    ]


def test_a_stock_run_gets_no_settings_of_ours(make_spec):
    parent = {"PATH": "/usr/bin", "HOME": "/home/me"}
    environment = rank_environment(parent, make_spec(runtime=Runtime.STOCK), {}, as_root=False)
    assert set(environment) == {"PATH", "HOME"}


@given(st.text(min_size=1).filter(lambda t: "\0" not in t and "/" not in t))
def test_paths_stay_single_tokens(tmp_path_factory, name):
    folder = tmp_path_factory.getbasetemp() / name
    assert worker_command(folder / "spec.json", folder) == [
        *(sys.executable, "-m", "deepgalaxy.worker", str(folder / "spec.json"), str(folder)),
    ]


def test_only_named_variables_reach_the_ranks_and_the_users_win(make_spec):
    parent = {"HOME": "/home/me", "SECRET_TOKEN": "x", "OMP_NUM_THREADS": "7", "PATH": "/usr/bin", "TF_CLI_X": "y"}
    environment = rank_environment(parent, make_spec(cores_per_worker=3), {"HOROVOD_CYCLE_TIME": "5"}, as_root=False)
    assert "SECRET_TOKEN" not in environment
    assert "TF_CLI_X" not in environment
    assert "OMPI_ALLOW_RUN_AS_ROOT" not in environment
    assert environment["OMP_NUM_THREADS"] == "7"
    assert environment["TF_NUM_INTRAOP_THREADS"] == "3"
    assert environment["HOROVOD_CYCLE_TIME"] == "5"
    assert environment["PATH"].endswith(":/usr/bin")


def test_root_is_allowed_only_to_root(make_spec):
    environment = rank_environment({}, make_spec(), {}, as_root=True)
    assert environment["OMPI_ALLOW_RUN_AS_ROOT"] == environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] == "1"
