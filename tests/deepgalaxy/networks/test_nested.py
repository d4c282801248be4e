import numpy as np
import pytest
import tensorflow as tf

from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.networks.nested import known_outputs


class Counted(tf.keras.layers.Layer):
    """Counts how often it is traced."""

    traced = 0

    def call(self, inputs):
        self.traced += 1
        return 2 * inputs


def test_a_nested_model_is_not_run_to_know_its_outputs():
    counted, given = Counted(), tf.keras.Input((3,))
    inner = tf.keras.Model(given, {"a": counted(given)}, name="inner")
    before, outer = counted.traced, tf.keras.Input((3,))
    with known_outputs():
        model = tf.keras.Model(outer, inner(outer)["a"])
    assert counted.traced == before
    assert model.output_shape == (None, 3)
    images = np.ones((2, 3), np.float32)
    assert np.array_equal(model(images), inner(images)["a"])


def test_inputs_of_another_shape_are_traced():
    anything = tf.keras.Input((None, None, 1))
    inner = tf.keras.Model(anything, tf.keras.layers.Conv2D(2, 3, padding="same")(anything))
    with known_outputs():
        assert inner(tf.keras.Input((6, 6, 1))).shape.as_list() == [None, 6, 6, 2]


def test_a_sequential_that_does_not_know_its_input_is_traced():
    inner = tf.keras.Sequential([tf.keras.layers.Dense(2)])  # as the stem of ConvNeXt
    with known_outputs():
        assert inner(tf.keras.Input((3,))).shape.as_list() == [None, 2]


@pytest.mark.parametrize("parts", [{Part.CLASSIFIER}, set(Part)])
def test_a_network_is_saved_and_loaded_as_before(parts, tmp_path):
    model = network("Small", 32, parts, classes=3)
    model.save(tmp_path / "model.keras")
    again = tf.keras.models.load_model(tmp_path / "model.keras", compile=False)  # traced by Keras itself
    images = np.random.default_rng(0).random((2, 32, 32, 1), np.float32)
    assert again.output_shape == model.output_shape
    assert np.array_equal(again(images)["classes"], model(images)["classes"])
