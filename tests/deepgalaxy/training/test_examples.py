import numpy as np
import pytest

from deepgalaxy.errors import InputError
from deepgalaxy.training.examples import example_sets
from deepgalaxy.training.settings import TrainingSettings


def described(sets, examples):
    """(simulation, camera, class) of each."""
    sequences = sets.catalogue.sequences
    pairs = zip(examples.sequence, examples.label, strict=True)
    return {(sequences[s].group, sequences[s].camera, int(label)) for s, label in pairs}


def test_held_out_simulations_and_cameras_are_in_no_other_set(data_file):
    settings = TrainingSettings(
        data=str(data_file), hold_out_simulations=("s_0.5_*",), hold_out_cameras=(3, 5), cameras=tuple(range(8))
    )
    sets = example_sets(settings)
    assert {group for group, _, _ in described(sets, sets.held_out["simulations"])} == {"s_0.5_m_0.25"}
    assert len(sets.held_out["simulations"]) == 8 * 12
    seen = described(sets, sets.held_out["cameras"])
    assert {(group, camera) for group, camera, _ in seen} == {("s_1_m_1", 3), ("s_1_m_1", 5)}
    left = described(sets, sets.training) | described(sets, sets.validation)
    assert {group for group, _, _ in left} == {"s_1_m_1"}
    assert {camera for _, camera, _ in left} == {0, 1, 2, 4, 6, 7}
    assert len(left) == len(sets.training) + len(sets.validation) == 6 * 12
    snapshots = [{(g, label) for g, _, label in described(sets, part)} for part in (sets.training, sets.validation)]
    assert not snapshots[0] & snapshots[1]


def test_nothing_is_held_out_unless_asked_for(data_file):
    sets = example_sets(TrainingSettings(data=str(data_file)))
    assert sets.held_out == {}
    assert len(sets.training) + len(sets.validation) == sets.catalogue.images
    dealt = example_sets(TrainingSettings(data=str(data_file), split_by_image=True))
    assert len(dealt.training) == round(0.8 * dealt.catalogue.images)
    assert not np.array_equal(dealt.training.frame, sets.training.frame)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"classes": 5}, "holds class 11, the model has 5 classes"),
        ({"hold_out_simulations": ("s_9_*",)}, r"hold_out_simulations s_9_\*: .* holds no image of them"),
        ({"hold_out_cameras": (20,)}, "hold_out_cameras 20"),
        ({"hold_out_simulations": ("*",)}, "all 336 images of .* are held out"),
        ({"simulations": "s_9_*"}, "no image of"),
        ({"times_myr": (0, 0), "simulations": "s_1_*"}, "14 images of .* leave none for"),
    ],
)
def test_what_leaves_nothing_to_train_on_is_told(data_file, fields, told):
    with pytest.raises(InputError, match=told):
        example_sets(TrainingSettings(data=str(data_file), **fields))
