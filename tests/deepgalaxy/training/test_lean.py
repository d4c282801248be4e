import numpy as np
import tensorflow as tf

from deepgalaxy.networks.deepgalaxy import Part, load_network, network
from deepgalaxy.training.lean import LeanActivations, swish


def derivative(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y, tape.gradient(y, x, output_gradients=tf.cast(tf.range(tf.size(x)), x.dtype))


def test_swish_and_its_derivative_are_those_of_tensorflow():
    x = tf.constant(np.linspace(-30, 30, 601), tf.float32)
    for mine, theirs in zip(derivative(swish, x), derivative(tf.nn.silu, x), strict=True):
        assert np.allclose(mine, theirs, rtol=1e-5, atol=1e-5)


def test_a_traced_network_is_lean_and_the_model_stays_what_it_was(tmp_path):
    model = network("EfficientNetB0", 32, {Part.CLASSIFIER}, classes=3)
    lean = LeanActivations(model)

    def loss(images):
        with tf.GradientTape() as tape, lean:
            total = tf.reduce_sum(model(images, training=False)["classes"])
        return tape.gradient(total, model.trainable_variables[0])

    graph = tf.function(loss, autograph=False).get_concrete_function(tf.TensorSpec((1, 32, 32, 1))).graph
    operations = [op.type for op in graph.get_operations()]
    activations = [layer for layer in model._flatten_layers() if getattr(layer, "activation", None) is not None]
    own = tf.keras.activations.swish
    assert sum(layer.activation is own for layer in activations) == 49
    # One a swish, and those of squeeze and excitation; TensorFlow's own gradient would do each again.
    assert operations.count("Sigmoid") == 49 + 16
    model.save(tmp_path / "model.keras")
    assert load_network(tmp_path / "model.keras").count_params() == model.count_params()
