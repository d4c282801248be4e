import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deepgalaxy.errors import InputError
from deepgalaxy.networks.deepgalaxy import Part
from deepgalaxy.training.objective import Objective, median_class

ALL = Objective({"classes": 1.0, "images": 2.0, "features": 0.5, "kl": 0.25})


@pytest.fixture
def outputs():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(6), size=4).astype(np.float32)
    return {
        "classes": tf.constant(probabilities),
        "images": tf.constant(rng.random((4, 8, 8, 1), np.float32)),
        "features": tf.constant(rng.random((4, 2, 2, 3), np.float32)),
        "features_again": tf.constant(rng.random((4, 2, 2, 3), np.float32)),
        "z_mean": tf.constant(rng.normal(size=(4, 3)).astype(np.float32)),
        "z_log_variance": tf.constant(rng.normal(size=(4, 3)).astype(np.float32)),
    }


IMAGES = tf.constant(np.random.default_rng(1).random((4, 8, 8, 1), np.float32))
LABELS = tf.constant([0, 3, 5, 1], tf.int64)


def test_each_loss_is_what_its_formula_says(outputs):
    losses = {name: value.numpy() for name, value in ALL.losses(outputs, IMAGES, LABELS).items()}
    o = {name: value.numpy() for name, value in outputs.items()}
    right = o["classes"][np.arange(4), LABELS]
    assert losses["classes"] == pytest.approx(-np.log(right), rel=1e-5)
    assert losses["images"] == pytest.approx(np.mean((o["images"] - IMAGES) ** 2, axis=(1, 2, 3)), rel=1e-5)
    assert losses["features"] == pytest.approx(
        np.mean((o["features"] - o["features_again"]) ** 2, axis=(1, 2, 3)), rel=1e-5
    )
    variance = np.exp(o["z_log_variance"])
    divergence = 0.5 * (variance + o["z_mean"] ** 2 - 1 - np.log(variance)).sum(axis=1)
    assert losses["kl"] == pytest.approx(divergence, rel=1e-4)


def test_the_papers_loss_is_the_mean_squared_error_of_the_probabilities(outputs):
    loss = Objective({"classes": 1.0}, "mse").losses(outputs, IMAGES, LABELS)["classes"]
    truth = np.eye(6)[LABELS]
    assert loss.numpy() == pytest.approx(np.mean((outputs["classes"].numpy() - truth) ** 2, axis=1), rel=1e-5)


def test_only_what_has_a_weight_is_computed_and_no_gradient_reaches_the_maps_through_the_vae(outputs):
    assert set(Objective({"kl": 1.0}).losses(outputs, IMAGES, LABELS)) == {"kl"}
    with tf.GradientTape() as tape:
        tape.watch(outputs["features"])
        loss = Objective({"features": 1.0}).losses(outputs, IMAGES, LABELS)["features"]
    assert tape.gradient(loss, outputs["features"]) is None


def test_unlabelled_images_count_for_the_images_and_not_for_the_classes(outputs):
    losses = ALL.losses(outputs, IMAGES, LABELS)
    label_weights, image_weights = tf.constant([2.0, 2, 0, 0]), tf.constant([1.0, 1, 1, 1])
    total = float(ALL.total(losses, label_weights, image_weights))
    values = {name: value.numpy() for name, value in losses.items()}
    expected = values["classes"][:2].mean() + sum(
        weight * values[name].mean() for name, weight in (("images", 2), ("features", 0.5), ("kl", 0.25))
    )
    assert total == pytest.approx(expected, rel=1e-5)
    sums = {k: float(v) for k, v in ALL.sums(losses, outputs, LABELS, label_weights, image_weights).items()}
    assert list(sums) == ALL.sum_names()
    means = ALL.means(sums)
    assert (sums["labelled_count"], sums["image_count"]) == (2, 4)
    assert means["classes_loss"] == pytest.approx(values["classes"][:2].mean(), rel=1e-5)
    assert means["images_loss"] == pytest.approx(values["images"].mean(), rel=1e-5)
    assert means["loss"] == pytest.approx(expected, rel=1e-5)


def test_scores_against_known_answers():
    probabilities = np.zeros((3, 71), np.float32)
    probabilities[0, 10] = 1  # right
    probabilities[1, [20, 22, 24]] = 0.4, 0.2, 0.4  # median at 22, two classes from the truth, which is second
    probabilities[2, :6] = 0.3, 0.2, 0.2, 0.15, 0.1, 0.05  # the truth is sixth
    labels = tf.constant([10, 24, 5], tf.int64)
    o = Objective({"classes": 1.0})
    outputs = {"classes": tf.constant(probabilities)}
    sums = o.sums(o.losses(outputs, IMAGES, labels), outputs, labels, tf.ones(3), tf.ones(3))
    means = o.means({k: float(v) for k, v in sums.items()})
    assert means["top_1"] == pytest.approx(1 / 3)
    assert means["top_5"] == pytest.approx(2 / 3)
    assert means["error_myr"] == pytest.approx((0 + 2 + 4) * 5 / 3)


@given(arrays.arrays(np.float32, (5, 9), elements=st.floats(0.0009765625, 1, width=32)))
def test_the_median_class_has_the_least_expected_error(raw):
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    expected_error = np.abs(np.arange(9)[:, None, None] - np.arange(9)) * probabilities
    expected_error = expected_error.sum(axis=2)  # (guess, image)
    chosen = median_class(tf.constant(probabilities)).numpy()
    assert expected_error[chosen, np.arange(5)] == pytest.approx(expected_error.min(axis=0), abs=1e-4)


def test_parts_follow_from_the_losses():
    assert Objective({"classes": 1.0}).parts == {Part.CLASSIFIER}
    assert ALL.parts == set(Part)
    assert ALL.shapes_encoder
    assert not Objective({"features": 1.0, "kl": 1.0}).shapes_encoder


@pytest.mark.parametrize(
    ("weights", "loss", "told"),
    [
        ({"class": 1.0}, "mse", "unknown loss 'class'; near names: classes"),
        ({"classes": 0.0}, "mse", "weight 0.0 of loss classes is not a positive number"),
        ({"classes": float("nan")}, "mse", "weight nan"),
        ({}, "mse", "no loss to minimise"),
        ({"classes": 1.0}, "mae", "unknown classification loss 'mae'"),
    ],
)
def test_what_can_not_be_minimised_is_told(weights, loss, told):
    with pytest.raises(InputError, match=told):
        Objective(weights, loss)
