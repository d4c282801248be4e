import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.inference import FrozenClassifier, interpret
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import Part, in_global_precision, network
from deepgalaxy.words import Precision


@pytest.fixture
def policy():
    """Sets Keras's global policy, and puts it back."""
    before = tf.keras.mixed_precision.global_policy()
    yield tf.keras.mixed_precision.set_global_policy
    tf.keras.mixed_precision.set_global_policy(before)


IMAGES = np.random.default_rng(0).random((5, 64, 64, 1), np.float32)


def test_the_frozen_graph_gives_what_the_network_gives_for_any_part_of_a_batch():
    model = network(SMALL, 64, set(Part), classes=9)
    frozen = FrozenClassifier(model, 64, 5, Precision.FP32)
    expected = model(IMAGES)["classes"].numpy()
    for n in (5, 1, 3):
        assert np.allclose(frozen(IMAGES[:n]), expected[:n], atol=1e-6)


def test_in_bf16_it_computes_in_bf16_and_nearly_agrees(policy):
    model = network(SMALL, 64, {Part.CLASSIFIER, Part.VAE}, classes=9, latent=7)
    expected = model(IMAGES)["classes"].numpy()
    policy("mixed_bfloat16")
    coarse = in_global_precision(model)
    assert coarse.output_shape["z_mean"] == (None, 7)
    found = FrozenClassifier(coarse, 64, 5, Precision.BF16)(IMAGES)
    assert found == pytest.approx(expected, abs=0.02)
    assert not np.array_equal(found, expected)
    with pytest.raises(BadResultError, match="precision bf16 was asked for; .* that ran: .* in float32"):
        FrozenClassifier(model, 64, 5, Precision.BF16)


def test_a_network_without_a_classifier_is_told():
    with pytest.raises(InputError, match="no classifier"):
        FrozenClassifier(network(SMALL, 64, {Part.AUTOENCODER}, classes=9), 64, 1, Precision.FP32)


def test_a_certain_image_has_its_time_and_no_interval():
    sure = np.zeros(71, np.float32)
    sure[20] = 1
    assert interpret(sure) == (20, 1.0, 250.0, 250.0, 250.0)


@given(arrays.arrays(np.float32, 71, elements=st.floats(2**-10, 1, width=32)))
def test_the_interval_holds_what_it_says(raw):
    probabilities = raw / raw.sum()
    label, probability, time, earliest, latest = interpret(probabilities)
    assert probability == probabilities.max() == probabilities[label]
    assert 0 <= earliest <= time <= latest <= 350
    times = 5.0 * (70 - np.arange(71))
    inside = probabilities[(times >= earliest) & (times <= latest)].sum()
    assert inside >= 0.68 - 1e-5
    assert probabilities[times < earliest].sum() <= 0.16 + 1e-5
    assert probabilities[times > latest].sum() <= 0.16 + 1e-5
