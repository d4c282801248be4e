import numpy as np
import pytest

from deepgalaxy.data.reader import Reader
from deepgalaxy.data.unlabelled import Unlabelled, convert
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import network
from deepgalaxy.training.evaluation import Evaluation
from deepgalaxy.training.examples import example_sets
from deepgalaxy.training.objective import Objective
from deepgalaxy.training.ranks import Alone
from deepgalaxy.training.settings import TrainingSettings

OBJECTIVE = Objective({"classes": 1.0, "images": 1.0})


@pytest.fixture(scope="module")
def evaluation(data_file):
    settings = TrainingSettings(data=str(data_file), cameras=(0, 1, 2), batch_size=8)
    model = network(SMALL, 32, OBJECTIVE.parts, classes=71)
    sets = example_sets(settings)
    return Evaluation(model, OBJECTIVE, sets, Alone(), settings), model, sets


def test_each_image_counts_once_whatever_the_batch(evaluation):
    evaluation, model, sets = evaluation
    assert len(sets.validation) % 8
    found = evaluation.of(sets.validation)
    images = Reader(sets.catalogue, sets.validation).read(np.arange(len(sets.validation)))
    outputs = {name: value.numpy() for name, value in model(images).items()}
    assert found["top_1"] == pytest.approx(np.mean(outputs["classes"].argmax(axis=1) == sets.validation.label))
    right = outputs["classes"][np.arange(len(images)), sets.validation.label]
    assert found["classes_loss"] == pytest.approx(-np.log(right).mean(), rel=1e-4)
    assert found["images_loss"] == pytest.approx(np.mean((outputs["images"] - images) ** 2), rel=1e-4)


def test_observed_images_that_were_not_trained_on_are_reported_and_shown(evaluation, tmp_path):
    evaluation, model, _ = evaluation
    convert("hubble", 32, tmp_path / "hubble.float32", lambda _: None)
    unlabelled = Unlabelled.mapped(tmp_path / "hubble.float32", 32, seed=0)
    found = evaluation.of_observed(unlabelled)
    pixels = unlabelled.pixels[unlabelled.validation]
    again = model(pixels)["images"].numpy()
    assert found == {"images_loss": pytest.approx(np.mean((again - pixels) ** 2), rel=1e-4)}
    shown = evaluation.reconstructions(unlabelled, count=4)
    names = [name for name, *_ in shown]
    assert all(name.startswith("class ") for name in names[:4])
    assert names[4:] == ["observed"] * 4
    assert np.array_equal(shown[4][1], pixels[0])
    assert shown[4][2].shape == (32, 32, 1)
