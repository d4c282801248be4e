import tensorflow as tf

from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.cost import live
from deepgalaxy.networks.costs import memory_cost
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.networks.live import BATCH, live_bytes_per_image

IMAGES = tf.TensorSpec((BATCH, 8, 8, 1), tf.float32)
MAP = 8 * 8 * 4  # bytes of one channel of an image


def live_bytes(function) -> int:
    return live_bytes_per_image(tf.function(function, autograph=False).get_concrete_function(IMAGES).graph)


def filters(inputs, outputs):
    return tf.zeros((1, 1, inputs, outputs))


def test_a_chain_holds_what_is_read_and_what_is_written():
    def chain(images):
        x = tf.nn.conv2d(images, filters(1, 3), 1, "SAME")  # 1 + 3 channels
        x = tf.nn.conv2d(x, filters(3, 5), 1, "SAME")  # 3 + 5, as the images are no longer needed
        return tf.nn.conv2d(x, filters(5, 2), 1, "SAME")  # 5 + 2

    assert live_bytes(chain) == 8 * MAP


def test_what_is_read_later_stays():
    def skip(images):
        x = tf.nn.conv2d(images, filters(1, 3), 1, "SAME")
        y = tf.nn.conv2d(x, filters(3, 5), 1, "SAME")
        z = tf.nn.conv2d(y, filters(5, 3), 1, "SAME")  # 3 + 5 + 3: x is added below
        return x + z

    assert live_bytes(skip) == 11 * MAP


def test_a_rectified_map_takes_the_place_of_its_input():
    def rectified(images):
        return tf.nn.relu(tf.nn.conv2d(images, filters(1, 6), 1, "SAME"))

    assert live_bytes(rectified) == 7 * MAP


def test_a_view_keeps_the_memory_that_it_looks_at():
    def viewed(images):
        x = tf.reshape(tf.nn.conv2d(images, filters(1, 2), 1, "SAME"), (BATCH, 128))
        y = tf.nn.conv2d(images, filters(1, 4), 1, "SAME")
        return tf.reduce_sum(x) + tf.reduce_sum(y)

    assert live_bytes(viewed) == 7 * MAP  # images, x through its view, and y


def test_what_a_view_reads_last_ends_with_it():
    def looked_at(images):
        x = tf.nn.conv2d(images, filters(1, 9), 1, "SAME")
        y = tf.nn.conv2d(x, filters(9, 4), 1, "SAME")  # 9 + 4
        tf.reshape(x, (-1,))  # nobody reads it
        z = tf.nn.conv2d(y, filters(4, 8), 1, "SAME")  # 4 + 8
        return tf.reduce_sum(z)

    assert live_bytes(looked_at) == 13 * MAP


def test_a_backward_pass_keeps_the_maps_of_the_forward_one():
    def gradient(images):
        weights = [filters(1, 3), filters(3, 5)]
        with tf.GradientTape() as tape:
            tape.watch(weights)
            x = images
            for w in weights:
                x = tf.nn.conv2d(x, w, 1, "SAME")
            loss = tf.reduce_sum(x)
        return tape.gradient(loss, weights)

    # Images and x are kept for the filters' gradients, beside the gradients of x and of what x becomes.
    assert live_bytes(gradient) == (1 + 3 + 5 + 3) * MAP


def test_the_stored_costs_are_what_the_network_gives():
    # Per pixel and image they hardly depend on the resolution they were found at.
    found, stored = live(network(SMALL, 64, {Part.CLASSIFIER}, classes=71), 64), memory_cost(SMALL)
    for exact in ("parameters", "trainable_parameters", "gradient_tensors", "operations"):
        assert getattr(found, exact) == getattr(stored, exact)
    assert abs(found.training_bytes_per_pixel / stored.training_bytes_per_pixel - 1) < 0.05
    assert abs(found.inference_bytes_per_pixel / stored.inference_bytes_per_pixel - 1) < 0.05
