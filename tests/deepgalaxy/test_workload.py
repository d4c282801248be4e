"""What a step is, on one rank, in this process."""

import numpy as np
import pytest
import tensorflow as tf

from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.training.ranks import Alone
from deepgalaxy.words import Mode, Precision
from deepgalaxy.workload import prepare


@pytest.fixture
def prepared(make_spec):
    """A traced workload that has done one step."""

    def make(**fields):
        spec = make_spec(**({"mode": Mode.INFER, "backbone": SMALL, "classes": 12} | fields))
        work = prepare(spec, Alone())
        work.trace()
        work.step(*next(iter(work.batches)))
        return work

    return make


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.keras"
    network(SMALL, 32, {Part.CLASSIFIER}, classes=12).save(path)
    return str(path)


def test_the_first_step_tells_in_which_types_it_ran(prepared):
    for mode in (Mode.INFER, Mode.TRAIN):
        products = prepared(mode=mode).products
        assert set(products) == {"float32"}
        assert products["float32"] > 3


def test_a_step_in_another_precision_than_asked_for_is_a_bad_result(prepared):
    with pytest.raises(BadResultError, match=r"bf16 was asked for; .* ran: \d+ in float32"):
        prepared(precision=Precision.BF16)  # in a process that was not set up for it


def test_a_trained_model_answers_alike_in_every_batch_size(prepared, model):
    small, large = (prepared(model=model, batch_size=size).answers() for size in (1, 8))
    assert small.label == large.label
    assert set(small.label) <= set(range(12))
    assert np.allclose(small.probabilities, large.probabilities, atol=1e-5)
    expected = tf.keras.models.load_model(model, compile=False)
    work = prepared(model=model)
    assert np.array_equal(work.model.get_weights()[0], expected.get_weights()[0])


def test_random_weights_have_no_answers(prepared):
    assert prepared().answers() is None


@pytest.mark.parametrize("other", [{"backbone": "MobileNetV2"}, {"classes": 71}])
def test_a_model_of_another_kind_is_refused(prepared, model, other):
    with pytest.raises(InputError, match="is a Small for 32 pixels and 12 classes, not the "):
        prepared(model=model, **other)
