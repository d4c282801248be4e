import numpy as np
import pytest
import tensorflow as tf

from deepgalaxy.errors import InputError
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import Part, load_network, network, parts_of
from deepgalaxy.networks.encoder import encoder


@pytest.fixture
def images():
    return np.random.default_rng(0).random((2, 64, 64, 1), np.float32)


def test_the_whole_network_gives_all_outputs_in_their_shapes(images):
    model = network(SMALL, 64, set(Part), classes=71, latent=16)
    shapes = {name: tuple(value.shape) for name, value in model(images).items()}
    assert shapes == {
        "features": (2, 2, 2, 256),
        "classes": (2, 71),
        "images": (2, 64, 64, 1),
        "z_mean": (2, 16),
        "z_log_variance": (2, 16),
        "features_again": (2, 2, 2, 256),
    }
    assert parts_of(model) == set(Part)


@pytest.mark.parametrize("backbone", [SMALL, "EfficientNetB0"])
def test_one_set_of_weights_autoencodes_at_several_sizes(backbone):
    model = network(backbone, None, {Part.AUTOENCODER}, classes=71)
    rng = np.random.default_rng(0)
    for edge in (64, 96, 75):
        pixels = rng.random((1, edge, edge, 1), np.float32)
        again = model(pixels)["images"].numpy()
        assert again.shape == pixels.shape
        assert 0 <= again.min() <= again.max() <= 1


def test_the_vae_leaves_the_encoder_alone_and_the_others_shape_it(images):
    model = network(SMALL, 64, set(Part), classes=5, latent=16)
    weights = model.get_layer("encoder").trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(images, training=True)
        vae = tf.reduce_sum(outputs["features_again"]) + tf.reduce_sum(outputs["z_mean"])
        classes, pixels = tf.reduce_sum(outputs["classes"][:, 0]), tf.reduce_sum(outputs["images"])
    assert all(g is None for g in tape.gradient(vae, weights))
    for loss in (classes, pixels):
        assert all(g is not None for g in tape.gradient(loss, weights))


def test_z_is_drawn_in_training_and_is_its_mean_otherwise(images):
    model = network(SMALL, 64, {Part.VAE}, classes=5, latent=32)
    first, second = (model(images, training=True)["features_again"].numpy() for _ in range(2))
    assert not np.allclose(first, second)
    first, second = (model(images)["features_again"].numpy() for _ in range(2))
    assert np.array_equal(first, second)


def test_a_network_survives_saving_and_lends_its_encoder(tmp_path, images):
    model = network(SMALL, 64, set(Part), classes=5)
    path = tmp_path / "model.keras"
    model.save(path)
    again = load_network(path)
    for name, value in model(images).items():
        assert np.allclose(value, again(images)[name], atol=1e-6), name
    other = encoder(SMALL, 96, str(path))
    for mine, theirs in zip(other.get_weights(), model.get_layer("encoder").get_weights(), strict=True):
        assert np.array_equal(mine, theirs)


def test_what_can_not_be_is_told(tmp_path, images):
    with pytest.raises(InputError, match="no part of the network"):
        network(SMALL, 64, set(), classes=5)
    with pytest.raises(InputError, match="it needs a resolution"):
        network(SMALL, None, {Part.VAE}, classes=5)
    with pytest.raises(InputError, match="no such file"):
        encoder(SMALL, 64, str(tmp_path / "none.h5"))
    with pytest.raises(InputError, match="does not exist"):
        load_network(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("nothing")
    with pytest.raises(InputError, match="can't be read"):
        load_network(tmp_path / "text.keras")
    alien = tmp_path / "alien.keras"
    tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(1,))]).save(alien)
    with pytest.raises(InputError, match="it has no encoder"):
        load_network(alien)
    with pytest.raises(InputError, match="don't fit Small"):
        encoder(SMALL, 64, str(alien))


def test_imagenet_weights_that_can_not_be_had_name_the_file_to_place(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))

    def fails(**_):
        raise Exception("URL fetch failure on somewhere://far/away/efficientnetb0_notop.h5: None -- no route")

    monkeypatch.setattr(tf.keras.applications, "EfficientNetB0", fails)
    with pytest.raises(InputError, match=r"fetch efficientnetb0_notop.h5 elsewhere and place it in .*\.keras/models"):
        encoder("EfficientNetB0", 64, "imagenet")
