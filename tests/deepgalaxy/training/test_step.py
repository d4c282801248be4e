import numpy as np
import pytest
import tensorflow as tf

from deepgalaxy import runtime
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.training.objective import Objective
from deepgalaxy.training.ranks import Alone
from deepgalaxy.training.step import evaluation_step, optimizer, train_step
from tests.deepgalaxy.training.gradients import CLASSES, EDGE, gradient


def assert_close(a, b):
    for mine, theirs in zip(a, b, strict=True):
        assert np.abs(mine).max() > 0
        assert np.allclose(mine, theirs, atol=1e-6)


@pytest.mark.horovod
@pytest.mark.parametrize(("bucket_mb", "lone_kb"), [("0", "inf"), ("0.0001", "inf"), ("25", "inf"), ("25", "0.1")])
def test_two_ranks_have_the_gradient_of_one_process_on_the_joined_batch(
    run_ranks, tmp_path, monkeypatch, bucket_mb, lone_kb
):
    monkeypatch.setenv(runtime.BUCKET, bucket_mb)  # a message each, some together, all together, all but large ones
    monkeypatch.setenv(runtime.LONE, lone_kb)
    run_ranks(2, "-m", "tests.deepgalaxy.training.gradients", tmp_path / "two.npz", 2, 1)
    with np.load(tmp_path / "two.npz") as two:
        assert_close(gradient(Alone())[0], list(two.values()))


def test_several_passes_have_the_gradient_and_the_sums_of_one():
    (once, sums), (parts, again) = gradient(Alone()), gradient(Alone(), passes=4)
    assert_close(once, parts)
    assert again == pytest.approx(sums, rel=1e-5)
    assert sums["image_count"] == 6


def test_images_without_weight_change_nothing():
    rng = np.random.default_rng(0)
    images = rng.random((4, EDGE, EDGE, 1), np.float32)
    labels = tf.constant([0, 1, 2, 3], tf.int64)
    weights = tf.constant([2.0, 2.0, 0.0, 0.0])
    results = []
    for filler in (0.1, 0.9):
        tf.keras.utils.set_random_seed(0)
        model = network("VGG16", 32, {Part.CLASSIFIER}, classes=CLASSES)
        pixels = np.zeros((4, 32, 32, 1), np.float32)
        pixels[:2, :EDGE, :EDGE] = images[:2]
        pixels[2:] = filler
        step = train_step(model, Objective({"classes": 1.0}), optimizer("SGD", 0.1), Alone(), seed=0)
        step(tf.constant(pixels), labels, weights, weights)
        results.append(model.get_weights()[-1])
    assert np.allclose(*results, atol=1e-7)


def test_training_lowers_every_loss_and_evaluation_changes_nothing():
    objective = Objective({"classes": 1.0, "images": 10.0, "features": 1.0, "kl": 1e-4})
    tf.keras.utils.set_random_seed(0)
    model = network(SMALL, 64, set(Part), classes=4)
    rng = np.random.default_rng(0)
    batch = (
        tf.constant(np.repeat(rng.random((8, 8, 8, 1), np.float32), 8, axis=1).repeat(8, axis=2)),
        tf.constant(np.arange(8) % 4),
        tf.ones(8),
        tf.ones(8),
    )
    step = train_step(model, objective, optimizer("Adam", 1e-3), Alone(), seed=0)
    means = [objective.means({k: float(v) for k, v in step(*batch).items()}) for _ in range(30)]
    for name in ("classes_loss", "images_loss", "features_loss"):
        assert means[-1][name] < 0.8 * means[0][name], name
    assert means[-1]["top_1"] == 1
    before = model.get_weights()
    evaluation_step(model, objective)(*batch)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
