import numpy as np
import tensorflow as tf

from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.training.randomness import Randomness, own_random_state


def noisy_model():
    own_random_state()
    inputs = tf.keras.Input((500,))
    x = tf.keras.layers.Dropout(0.5)(inputs)
    return tf.keras.Model(inputs, tf.keras.layers.Dropout(0.5)(x))


ONES = np.ones((1, 500), np.float32)


def drawn(model, randomness, step):
    randomness.begin(tf.constant(step, tf.int64))
    return model(ONES, training=True).numpy()


def test_what_is_drawn_depends_on_seed_step_and_rank_alone():
    model, again = noisy_model(), noisy_model()
    first = drawn(model, Randomness(model, 0, 0, 2), 7)
    assert np.array_equal(first, drawn(model, Randomness(model, 0, 0, 2), 7))
    assert np.array_equal(first, drawn(again, Randomness(again, 0, 0, 2), 7))
    others = [
        drawn(model, Randomness(model, seed, rank, 2), step) for seed, rank, step in ((1, 0, 7), (0, 1, 7), (0, 0, 8))
    ]
    assert not any(np.array_equal(first, other) for other in others)


def test_layers_draw_independently():
    model = noisy_model()
    kept = (drawn(model, Randomness(model, 0, 0, 1), 0) > 0).mean()
    assert 0.15 < kept < 0.35  # 0.25; 0.5 if both layers drew the same


def test_it_works_in_a_graph_and_reaches_the_vaes_sampling():
    own_random_state()
    model = network(SMALL, 64, {Part.VAE}, classes=5)
    randomness = Randomness(model, 0, 0, 1)
    images = np.random.default_rng(0).random((2, 64, 64, 1), np.float32)

    @tf.function(autograph=False)
    def run(step):
        randomness.begin(step)
        return model(images, training=True)["features_again"]

    first, second, again = (run(tf.constant(step, tf.int64)).numpy() for step in (3, 4, 3))
    assert np.array_equal(first, again)
    assert not np.allclose(first, second)
