import numpy as np
import pytest
import tensorflow as tf

from deepgalaxy.errors import InputError
from deepgalaxy.networks.catalogue import BACKBONES, SMALL
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.training.step import OPTIMIZERS, optimizer


def test_every_classification_model_of_keras_is_a_backbone():
    models = {name for name in dir(tf.keras.applications) if name[0].isupper()}
    assert models == set(BACKBONES) - {SMALL}


@pytest.mark.parametrize("backbone", sorted(set(BACKBONES) - {SMALL}))
def test_every_backbone_has_its_family_in_keras(backbone):
    assert callable(getattr(tf.keras.applications, BACKBONES[backbone].module).preprocess_input)


def classifier(backbone, resolution, classes):
    return network(backbone, resolution, {Part.CLASSIFIER}, classes=classes)


@pytest.mark.parametrize(("backbone", "features"), [("EfficientNetB0", 1280), ("ResNet50", 2048)])
def test_the_classifier_is_keras_own_backbone_with_a_softmax(backbone, features):
    model = classifier(backbone, 64, 71)
    bare = getattr(tf.keras.applications, backbone)(include_top=False, weights=None, input_shape=(64, 64, 3))
    assert model.count_params() == bare.count_params() + (features + 1) * 71
    probabilities = model(np.random.default_rng(0).random((2, 64, 64, 1), np.float32))["classes"].numpy()
    assert probabilities.shape == (2, 71)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, tf.keras.layers.BatchNormalization)]
    assert norms
    assert {layer.momentum for layer in norms} == {0.9}


def test_a_classifier_survives_saving(tmp_path):
    model = classifier("ResNet50", 32, 5)
    images = np.random.default_rng(0).random((1, 32, 32, 1), np.float32)
    model.save(tmp_path / "model.keras")
    again = tf.keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert np.allclose(model(images)["classes"], again(images)["classes"], atol=1e-6)


@pytest.mark.parametrize(("backbone", "smallest"), [("InceptionV3", 75), ("Xception", 71)])
def test_the_smallest_resolution_is_kerass(backbone, smallest):
    assert BACKBONES[backbone].min_resolution == smallest
    with pytest.raises(ValueError, match=f"at least {smallest}x{smallest}"):
        getattr(tf.keras.applications, backbone)(
            include_top=False, weights=None, input_shape=(smallest - 1,) * 2 + (3,)
        )


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_exists(name):
    assert float(optimizer(name, 0.5).learning_rate) == 0.5


def test_an_unknown_optimizer_gets_near_names():
    with pytest.raises(InputError, match="near names: .*Adadelta"):
        optimizer("adadelt", 1.0)
