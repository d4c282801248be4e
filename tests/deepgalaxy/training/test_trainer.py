"""Whole trainings on one process; those on several ranks are tests of the command."""

import csv

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import load_network
from deepgalaxy.training.ranks import Alone
from deepgalaxy.training.settings import TrainingSettings
from deepgalaxy.training.trainer import Training

TIMES = ("time_s", "images_per_s")


@pytest.fixture
def train(tmp_path, data_file):
    """A training from its start to its end, with the settings that are given."""

    def run(folder="run", resume=False, stop=lambda _: False, report=lambda *_: None, **fields):
        defaults = dict(data=str(data_file), backbone=SMALL, epochs=2, cameras=(0, 1, 2, 3), batch_size=8)
        tf.keras.utils.set_random_seed(0)
        notes = []
        training = Training(TrainingSettings(**(defaults | fields)), Alone(), tmp_path / folder, notes.append)
        training.begin(resume=resume)
        training.run(report, stop)
        training.notes = notes
        return training

    return run


def untimed(history):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in history]


class KilledError(Exception):
    pass


def killed_at(step):
    """A report that ends the training when so many steps are done, as a signal would."""
    seen = 0

    def report(*_):
        nonlocal seen
        seen += 1
        if seen == step:
            raise KilledError

    return report


def test_a_training_leaves_its_logs_curves_model_and_settings(train, tmp_path):
    training = train()
    folder = tmp_path / "run"
    rows = list(csv.DictReader((folder / "log.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert {"loss", "val_loss", "top_1", "val_top_5", "val_error_myr", "learning_rate"} <= set(rows[0])
    assert Image.open(folder / "curves.png").size[0] > 800
    assert list((folder / "tensorboard").glob("events*"))
    assert len(training.notes) == 2
    assert "epoch 2/2  loss" in training.notes[1]
    images = np.random.default_rng(0).random((1, 32, 32, 1), np.float32)
    best = load_network(folder / "model.keras")(images)["classes"].numpy()
    training.load_best()
    assert np.allclose(best, training.model(images)["classes"], atol=1e-6)


@pytest.mark.parametrize("at", [3, 10, 19])
def test_a_killed_training_goes_on_as_if_it_had_not_been(train, at):
    fields = dict(
        loss_weights={"classes": 1.0, "images": 1.0, "features": 1.0, "kl": 0.01},
        flips=True,
        noise=0.1,
        checkpoint_every=4,
        unlabelled="hubble",
    )
    whole = train("whole", **fields)
    with pytest.raises(KilledError):
        train("cut", report=killed_at(at), **fields)
    rest = train("cut", resume=at > 4, **fields)  # before the first checkpoint there is nothing to go on from
    assert untimed(rest._state.history) == untimed(whole._state.history)
    for a, b in zip(whole.model.get_weights(), rest.model.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_it_can_be_gone_on_with_for_more_epochs_and_is_not_overwritten(train):
    whole = train("whole", epochs=3)
    train("more", epochs=2)
    with pytest.raises(InputError, match="holds a training: go on with --resume"):
        train("more", epochs=3)
    with pytest.raises(InputError, match="was begun with batch_size 8, not 4"):
        train("more", resume=True, batch_size=4)
    more = train("more", resume=True, epochs=3)
    assert untimed(more._state.history) == untimed(whole._state.history)


def test_it_ends_early_when_validation_does_not_get_better(train):
    training = train(epochs=30, patience=2, learning_rate=0.05, warmup_epochs=0)
    history = training._state.history
    best = min(range(len(history)), key=lambda i: history[i]["val_loss"])
    assert len(history) < 30
    assert len(history) == best + 1 + 2


def test_it_ends_where_it_is_told_to(train):
    assert len(train(epochs=5, stop=lambda row: row["epoch"] == 2)._state.history) == 2


def test_the_vae_alone_leaves_encoder_and_its_statistics_as_they_are(train):
    training = train(loss_weights={"features": 1.0, "kl": 0.001}, epochs=1)
    tf.keras.utils.set_random_seed(0)
    fresh = Training(training.settings, Alone(), training.out / "other", lambda _: None)
    for a, b in zip(
        training.model.get_layer("encoder").get_weights(), fresh.model.get_layer("encoder").get_weights(), strict=True
    ):
        assert np.array_equal(a, b)
    assert "top_1" not in training._state.history[0]


def test_a_loss_that_is_not_finite_is_told(train):
    with pytest.raises(BadResultError, match="not finite; a lower learning rate than 1e\\+30 may help"):
        train(loss_weights={"features": 1.0}, optimizer="SGD", learning_rate=1e30, warmup_epochs=0)


def test_bad_unlabelled_images_are_counted_and_left_out(train, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.full((40, 50), 100, np.uint8)).save(photos / "good.png")
    (photos / "bad.jpg").write_text("no picture")
    training = train(epochs=1, unlabelled=str(photos), loss_weights={"classes": 1.0, "images": 1.0})
    assert any(note.startswith("skipped bad.jpg") for note in training.notes)
    assert f"1 unlabelled images of {photos}" in training.notes
