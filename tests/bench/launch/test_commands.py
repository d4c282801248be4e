import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.comparable import RANKS_OWN
from bench.campaign.site import Launcher
from bench.launch.commands import COMMANDS, rank_environment, worker_command
from deepgalaxy.words import Runtime

WORKER = ["python", "-m", "deepgalaxy.worker", "spec.json", "out"]


def test_every_launcher_has_its_command():
    assert set(COMMANDS) == set(Launcher)


NODES = ["n1", "n2"]
ON_NODES = {"workers": 8, "workers_per_node": 4, "cores_per_worker": 6}
VARIABLES = {"OMP_NUM_THREADS": "6", "PATH": "/bin", "HOROVOD_CYCLE_TIME": "5"}


@pytest.mark.parametrize(
    ("launcher", "here", "on_nodes"),
    [
        (
            Launcher.MPIRUN,
            "mpirun -np 2 --bind-to none",
            "mpirun -np 8 --bind-to none --host n1:4,n2:4 -x HOROVOD_CYCLE_TIME -x OMP_NUM_THREADS",
        ),
        (
            Launcher.MPICH,
            "mpiexec -n 2 -ppn 1 -bind-to none",
            "mpiexec -n 8 -ppn 4 -bind-to none -hosts n1,n2 -genvlist HOROVOD_CYCLE_TIME,OMP_NUM_THREADS",
        ),
        (
            Launcher.INTELMPI,
            "mpirun -n 2 -ppn 1 -genv I_MPI_PIN 0",
            "mpirun -n 8 -ppn 4 -genv I_MPI_PIN 0 -hosts n1,n2 -genvlist HOROVOD_CYCLE_TIME,OMP_NUM_THREADS",
        ),
        (
            Launcher.HOROVODRUN,
            "horovodrun --gloo -np 2 -H localhost:2",
            "horovodrun --gloo -np 8 -H n1:4,n2:4",
        ),
        (
            Launcher.SRUN,
            "srun --ntasks 2 --ntasks-per-node 1 --cpus-per-task 1 --cpu-bind=none --kill-on-bad-exit=1",
            "srun --ntasks 8 --ntasks-per-node 4 --cpus-per-task 6 --cpu-bind=none --kill-on-bad-exit=1 "
            "--nodes 2 --nodelist n1,n2",
        ),
    ],
    ids=lambda value: value.value if isinstance(value, Launcher) else "",
)
def test_each_launcher_has_its_tokens(make_spec, launcher, here, on_nodes):
    command = COMMANDS[launcher]
    assert command(make_spec(workers=2), WORKER, {}, []) == [*here.split(), *WORKER]
    assert command(make_spec(**ON_NODES), WORKER, VARIABLES, NODES) == [*on_nodes.split(), *WORKER]


def test_horovodrun_is_told_the_interface_that_gloo_is_to_use(make_spec):
    command = COMMANDS[Launcher.HOROVODRUN]
    told = command(make_spec(workers=1), WORKER, {"HOROVOD_GLOO_IFACE": "eth0"}, ["n1"])
    assert told == ["horovodrun", "--gloo", "--network-interfaces", "eth0", "-np", "1", "-H", "n1:1", *WORKER]


def test_without_a_launcher_a_process_a_rank_starts_here(make_spec):
    command = COMMANDS[Launcher.LOCAL](make_spec(workers=3), ["printenv", "PMI_RANK", "PMI_SIZE"], {}, [])
    assert command[3:] == ["3", "printenv", "PMI_RANK", "PMI_SIZE"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == ["0", "1", "2", "3", "3", "3"]


def test_a_process_that_ends_badly_ends_the_others(make_spec):
    script = "import os, sys, time; sys.exit(7) if os.environ['PMI_RANK'] == '1' else time.sleep(60)"
    command = COMMANDS[Launcher.LOCAL](make_spec(workers=3), [sys.executable, "-c", script], {}, [])
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 7
    assert "ended with exit code 7" in done.stderr


def test_ranks_that_share_cores_are_allowed_to(make_spec):
    shared = make_spec(workers=4, oversubscribe=True)
    assert COMMANDS[Launcher.MPIRUN](shared, WORKER, {}, [])[5:7] == ["--map-by", ":OVERSUBSCRIBE"]
    assert "--overcommit" in COMMANDS[Launcher.SRUN](shared, WORKER, {}, [])


def test_a_stock_run_gets_no_settings_of_ours(make_spec):
    parent = {"PATH": "/usr/bin", "HOME": "/home/me"}
    environment = rank_environment(parent, make_spec(runtime=Runtime.STOCK), {}, as_root=False)
    assert set(environment) == {"PATH", "HOME"}


def test_what_tells_records_apart_does_not_differ_along_a_sweep(make_spec):
    sweep = [make_spec(workers=workers, workers_per_node=min(workers, 4)) for workers in (1, 4, 8, 1024)]
    told = [rank_environment({}, spec, {}, as_root=False) for spec in sweep]
    assert len({tuple(environment.get(name, "") for name in RANKS_OWN) for environment in told}) == 1


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
