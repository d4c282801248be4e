import json

import optuna
import pytest
from PIL import Image

from deepgalaxy.cli import main


@pytest.fixture
def command(tmp_path, data_file):
    def build(*options):
        small = ["--backbone", "Small", "--simulations", "s_1_m_1", "--cameras", "0", "1", "--epochs", "2"]
        return ["tune", "--data", str(data_file), "--out", str(tmp_path / "study"), *small, "--json", *options]

    return build


def study(tmp_path):
    return optuna.load_study(study_name="deepgalaxy", storage=f"sqlite:///{tmp_path / 'study' / 'study.sqlite3'}")


def test_a_study_goes_on_until_it_has_its_trials_and_shows_them(command, tmp_path, capsys):
    assert main(command("--trials", "2")) == 0
    first = study(tmp_path).trials
    capsys.readouterr()
    assert main(command("--trials", "4")) == 0
    said = json.loads(capsys.readouterr().out)
    trials = study(tmp_path).trials
    assert sum(said["trials"].values()) == len(trials) == 4
    assert [t.params for t in trials[:2]] == [t.params for t in first]
    assert len({t.params["learning_rate"] for t in trials}) == 4  # a resumed study repeats nothing
    assert said["best"]["loss"] == min(t.value for t in trials if t.value is not None)
    assert all(1e-4 <= t.params["learning_rate"] <= 10 for t in trials)
    assert Image.open(said["figure"]).size[0] > 500
    assert not list((tmp_path / "study").rglob("*.keras"))


def test_a_trial_that_blows_up_is_a_failed_trial_and_hopeless_ones_are_told(command, tmp_path, capsys):
    wild = ["--trials", "2", "--optimizers", "SGD", "--learning-rates", "1e35", "1e37"]
    code = main(command(*wild))
    states = {t.state for t in study(tmp_path).trials}
    if code == 2:
        assert states == {optuna.trial.TrialState.FAIL}
        assert "none of 2 trials came to its end" in capsys.readouterr().err
    else:
        assert optuna.trial.TrialState.COMPLETE in states


@pytest.mark.horovod
def test_two_ranks_search_together(run_ranks, command, tmp_path):
    said = json.loads(run_ranks(2, "-m", "deepgalaxy.cli", *command("--trials", "2")).stdout)
    assert sum(said["trials"].values()) == 2
    assert study(tmp_path).user_attrs["workers"] == 2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--trials", "0"], "--trials 0 is less than 1"),
        (["--learning-rates", "1", "0.1"], "learning rates from 1 to 0.1: two positive numbers, the smaller first"),
        (["--optimizers", "Adm"], "unknown optimizer 'Adm'; near names: Adam"),
        (["--batch-sizes", "0"], "batch sizes \\[0\\]"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(command, capsys, options, told):
    assert main(command(*options)) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1, said
    assert told.replace("\\", "") in said[0]


def test_another_study_is_not_gone_on_with(command, capsys):
    assert main(command("--trials", "1")) == 0
    capsys.readouterr()
    for options, told in (
        (["--batch-sizes", "4"], "was begun with space"),
        (["--epochs", "3"], "was begun with epochs 2, not 3"),
    ):
        assert main(command("--trials", "2", *options)) == 2
        assert told in capsys.readouterr().err
