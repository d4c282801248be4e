import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from bench import REPOSITORY
from deepgalaxy.cli import main
from deepgalaxy.networks.deepgalaxy import load_network

TIMES = ("time_s", "images_per_s")


@pytest.fixture
def command(tmp_path, data_file):
    """Arguments of a small training: 80 images, 10 steps of 8 an epoch."""

    def build(folder, *options, epochs=1):
        chosen = ["--simulations", "s_1_m_1", "--cameras", *map(str, range(8)), "--epochs", str(epochs)]
        return ["train", "--data", str(data_file), "--out", str(tmp_path / folder), *chosen, "--json", *options]

    return build


def untimed(history):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in history]


@pytest.mark.horovod
def test_one_two_and_four_ranks_with_the_same_global_batch_reach_the_same_weights(run_ranks, command, tmp_path):
    # VGG16 has no batch normalisation, whose statistics are each rank's own, and plain SGD is the
    # optimizer that does not blow rounding errors of vanishing gradients up.
    options = ("--backbone", "VGG16", "--optimizer", "SGD", "--learning-rate", "1e-4", "--scaling", "none")
    weights = {}
    for ranks in (1, 2, 4):
        arguments = command(f"w{ranks}", *options, "--batch-size", str(8 // ranks))
        said = json.loads(run_ranks(ranks, "-m", "deepgalaxy.cli", *arguments).stdout)
        assert len(said["history"]) == 1
        assert said["history"][0]["loss"] > 0
        weights[ranks] = load_network(tmp_path / f"w{ranks}" / "model.keras").get_weights()
    for ranks in (2, 4):
        for one, many in zip(weights[1], weights[ranks], strict=True):
            assert np.allclose(one, many, atol=2e-6)


@pytest.mark.horovod
def test_killed_on_two_ranks_and_resumed_it_joins_the_uninterrupted_run(run_ranks, command, tmp_path, make_spec):
    options = ("--backbone", "Small", "--batch-size", "4", "--flips", "--checkpoint-every", "3", "--deterministic")
    whole = json.loads(run_ranks(2, "-m", "deepgalaxy.cli", *command("whole", *options, epochs=3)).stdout)

    from tests.conftest import ranks_environment

    cut = command("cut", *options, epochs=3)
    launcher = ["mpirun", "-np", "2", "--bind-to", "none", "--map-by", ":OVERSUBSCRIBE"]
    with subprocess.Popen(
        [*launcher, sys.executable, "-m", "deepgalaxy.cli", *cut],
        env=ranks_environment(make_spec),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "cut" / "checkpoints").glob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        family = psutil.Process(running.pid).children(recursive=True)
        running.kill()
        for process in family:
            process.kill()
        assert not psutil.wait_procs(family, timeout=10)[1]
    rest = json.loads(run_ranks(2, "-m", "deepgalaxy.cli", *cut, "--resume").stdout)
    assert untimed(rest["history"]) == untimed(whole["history"])
    models = [load_network(tmp_path / name / "model.keras").get_weights() for name in ("whole", "cut")]
    assert all(np.array_equal(a, b) for a, b in zip(*models, strict=True))


@pytest.mark.horovod
def test_on_two_ranks_wrong_input_is_told_once(run_ranks, command, tmp_path):
    arguments = command("twice", "--backbone", "Small")
    assert main(arguments) == 0
    done = run_ranks(2, "-m", "deepgalaxy.cli", *arguments, check=False)
    assert done.returncode == 2
    told = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert told == [f"error: {tmp_path / 'twice'} holds a training: go on with --resume, or choose another --out"]
    assert "Traceback" not in done.stderr


@pytest.mark.horovod
def test_compression_fusion_and_cycle_settings_reach_horovod(run_ranks, command):
    options = ("--backbone", "Small", "--fp16-compression", "--fusion-mb", "1", "--cycle-ms", "3", "--cores", "1")
    said = json.loads(run_ranks(2, "-m", "deepgalaxy.cli", *command("fp16", *options)).stdout)
    plain = json.loads(run_ranks(2, "-m", "deepgalaxy.cli", *command("fp32", *options[:2])).stdout)
    difference = abs(said["history"][0]["loss"] - plain["history"][0]["loss"])
    assert 0 < difference < 0.2  # other roundings, the same training


def test_it_evaluates_what_was_held_out_beside_simple_rules(command, tmp_path, capsys, data_file):
    options = ["--simulations", "*", "--hold-out-simulations", "s_0.5_*", "--hold-out-cameras", "2"]
    assert main([*command("run"), "--backbone", "Small", *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said["evaluation"]) == {"validation", "held-out simulations", "held-out cameras"}
    for rules in said["evaluation"].values():
        assert set(rules) == {"network", "median class", "nearest in pixels"}
        assert len({rule["images"] for rule in rules.values()}) == 1
    assert said["evaluation"] == json.loads((tmp_path / "run" / "evaluation.json").read_text())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--backbone", "EfficientNetB9"], "unknown backbone 'EfficientNetB9'; near names: EfficientNetB"),
        (["--loss-weights", "classes"], "--loss-weights 'classes' is not of the form NAME=NUMBER"),
        (["--loss-weights", "pixels=1"], "unknown loss 'pixels'"),
        (["--preset", "papr"], "unknown preset 'papr'; near names: paper"),
        (["--optimizer", "Adm"], "unknown optimizer 'Adm'; near names: Adam"),
        (["--batch-size", "0"], "batch_size 0 is too small"),
        (["--noise", "2"], "noise 2.0 is outside 0 to 1"),
        (["--engine", "cuda"], "unknown engine 'cuda'; allowed: tensorflow, itex"),
        (["--cores", "1000"], "--cores 1000 is outside 1 to"),
        (["--weights", "none.h5"], "weights none.h5: no such file"),
        (["--unlabelled", "nowhere"], "nowhere does not exist"),
        (["--resume"], "no usable checkpoint in"),
        (["--data", "nothing.hdf5"], "data file nothing.hdf5 does not exist"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(command, capsys, options, told):
    small = [] if "--backbone" in options else ["--backbone", "Small"]
    affinity = os.sched_getaffinity(0)
    try:
        assert main([*command("wrong"), *small, *options]) == 2
    finally:
        os.sched_setaffinity(0, affinity)
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert told in said[0]


def test_no_data_is_told(capsys, tmp_path):
    assert main(["train", "--out", str(tmp_path)]) == 2
    assert "--data is missing" in capsys.readouterr().err


def test_interrupted_it_says_how_to_go_on(command, tmp_path):
    arguments = [sys.executable, "-m", "deepgalaxy.cli", *command("long", "--backbone", "Small", epochs=500)]
    with subprocess.Popen(arguments, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as running:
        deadline = time.monotonic() + 120
        while not list((tmp_path / "long" / "checkpoints").glob("*.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
        assert "interrupted; the same command with --resume goes on" in running.stderr.read()
