import json
import re

import numpy as np
import pytest
import tensorflow as tf

from deepgalaxy.errors import InputError
from deepgalaxy.training.checkpoints import KEPT, Checkpoints, State
from deepgalaxy.training.settings import TrainingSettings
from deepgalaxy.training.step import optimizer

SETTINGS = TrainingSettings(data="d")


def make(folder, settings=SETTINGS, workers=2, units=3):
    model = tf.keras.Sequential([tf.keras.layers.Dense(units, input_shape=(2,))])
    updates = optimizer("Adam", 0.1)
    updates._create_all_weights(model.trainable_variables)
    return Checkpoints(folder, settings, workers, model, updates), model, updates


def values(model, updates):
    return [v.numpy() for v in (*model.variables, *updates.variables())]


def train(model, updates):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(tf.ones((1, 2))) ** 2)
    updates.apply_gradients(zip(tape.gradient(loss, model.variables), model.variables, strict=True))


@pytest.fixture
def written(tmp_path):
    """A folder with five checkpoints written one after the other, and what the last ones held."""
    checkpoints, model, updates = make(tmp_path / "run" / "checkpoints")
    held = {}
    for step in range(1, 6):
        train(model, updates)
        checkpoints.write(State(step=step, sums={"classes": 0.1}, history=[{"epoch": 1, "loss": 2.5}], best_loss=1.5))
        held[step] = values(model, updates)
    return tmp_path / "run" / "checkpoints", held


def restored(folder, **made):
    notes = []
    checkpoints, model, updates = make(folder, **made)
    state = checkpoints.restore(notes.append)
    return state, values(model, updates), notes


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_the_newest_comes_back_with_everything_and_old_ones_go(written):
    folder, held = written
    state, found, notes = restored(folder)
    assert (state.step, state.sums, state.best_loss) == (5, {"classes": 0.1}, 1.5)
    assert state.history == [{"epoch": 1, "loss": 2.5}]
    assert same(found, held[5])
    assert not notes
    assert len(list(folder.glob("*.json"))) == KEPT
    assert not [p for p in folder.iterdir() if p.name.startswith(("step-00000001", "step-00000002"))]


def damage_data(folder):
    path = next(folder.glob("step-00000005.data*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return "step-00000005.data.* is damaged"


def remove_index(folder):
    (folder / "step-00000005.index").unlink()
    return "step-00000005.index is missing"


def cut_manifest(folder):
    path = folder / "step-00000005.json"
    path.write_bytes(path.read_bytes()[:50])
    return "its manifest is damaged"


def later_version(folder):
    path = folder / "step-00000005.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    return "its schema 99 is not 1"


@pytest.mark.parametrize("harm", [damage_data, remove_index, cut_manifest, later_version])
def test_a_damaged_one_is_told_and_the_one_before_it_used(written, harm):
    folder, held = written
    reason = harm(folder)
    state, found, notes = restored(folder)
    assert state.step == 4
    assert same(found, held[4])
    (note,) = notes
    assert re.search(reason, note)
    assert "trying the one before it" in note


def test_one_without_a_manifest_is_no_checkpoint(written):
    folder, _ = written
    (folder / "step-00000005.json").unlink()
    state, _, notes = restored(folder)
    assert (state.step, notes) == (4, [])


def test_one_of_another_model_is_not_used(written):
    folder, _ = written
    with pytest.raises(InputError, match=r"no usable checkpoint in .* \(3 found\)"):
        restored(folder, units=4)


def test_one_of_other_settings_is_refused(written):
    folder, _ = written
    with pytest.raises(InputError, match=f"{folder.parent} was begun with seed 0, not 1"):
        restored(folder, settings=TrainingSettings(data="d", seed=1))


def test_another_number_of_workers_can_take_over_at_an_epochs_end_only(written):
    folder, held = written
    with pytest.raises(InputError, match="lies within an epoch of 2 workers: go on with 2, not 4"):
        restored(folder, workers=4)
    checkpoints, model, updates = make(folder)
    checkpoints.restore(lambda _: None)
    checkpoints.write(State(step=6, history=[{"epoch": 1}]))
    state, found, _ = restored(folder, workers=4)
    assert state.step == 6
    assert same(found, held[5])


def test_none_there_and_nowhere_to_write_are_told(tmp_path):
    with pytest.raises(InputError, match=r"no usable checkpoint in .* \(0 found\): start without --resume"):
        restored(tmp_path / "none")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't write checkpoint"):
        make(tmp_path / "file" / "checkpoints")[0].write(State(step=1))
