import pytest
import tensorflow as tf

from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.cost import cost, flops_per_image
from deepgalaxy.networks.deepgalaxy import Part, network


def classifier_cost(backbone, resolution=64, classes=71):
    return cost(network(backbone, resolution, {Part.CLASSIFIER}, classes=classes), resolution)


@pytest.mark.parametrize(
    ("backbone", "parameters", "papers_millions"),
    [("EfficientNetB4", 17_801_126, 18), ("ResNet50", 23_733_191, 23)],
)
def test_parameters_are_kerass_and_the_papers(backbone, parameters, papers_millions):
    found = classifier_cost(backbone)
    keras = getattr(tf.keras.applications, backbone)(weights=None, classes=71, input_shape=(64, 64, 3))
    assert found.parameters == keras.count_params() == parameters
    assert found.parameters / 1e6 == pytest.approx(papers_millions, rel=0.04)
    trained = keras.trainable_variables
    assert (found.gradient_tensors, found.gradient_bytes) == (len(trained), 4 * found.trainable_parameters)
    assert found.trainable_parameters == sum(v.shape.num_elements() for v in trained)


def test_efficientnet_b7_has_66_million_with_its_thousand_classes():
    built = network("EfficientNetB7", 64, {Part.CLASSIFIER}, classes=1000)
    keras = tf.keras.applications.EfficientNetB7(weights=None)
    assert built.count_params() == keras.count_params() == 66_658_687


def test_arithmetic_of_a_convolution_is_counted_by_hand():
    images = tf.keras.Input((16, 16, 1))
    maps = tf.keras.layers.Conv2D(8, 3, padding="same", use_bias=False)(images)
    assert flops_per_image(tf.keras.Model(images, maps), 16) == 2 * 16 * 16 * 3 * 3 * 1 * 8


def test_arithmetic_and_memory_grow_with_the_pixels():
    small, large = (classifier_cost(SMALL, r) for r in (64, 128))
    assert large.parameters == small.parameters
    assert large.inference_flops_per_image / small.inference_flops_per_image == pytest.approx(4, rel=0.02)
    assert large.activation_bytes_per_image / small.activation_bytes_per_image == pytest.approx(4, rel=0.02)
    assert large.training_flops_per_image == 3 * large.inference_flops_per_image


def test_activations_of_the_small_backbone_by_hand():
    # Ten convolutions, each with its normalised and its rectified maps.
    pixels = [(64 // 2 ** (i + 1)) ** 2 * channels for i, channels in enumerate((16, 32, 64, 128, 256))]
    assert classifier_cost(SMALL).activation_bytes_per_image == 4 * 2 * 3 * sum(pixels)
