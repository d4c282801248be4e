import msgspec
import pytest

from deepgalaxy.errors import InputError
from deepgalaxy.training.settings import PRESETS, TrainingSettings


def test_the_scaled_rate_is_reached_after_the_warm_up():
    settings = TrainingSettings(data="d", learning_rate=0.1, warmup_epochs=2)
    assert [settings.rate(epoch, workers=4) for epoch in (0, 1, 2, 5)] == pytest.approx([0.1, 0.25, 0.4, 0.4])
    assert settings.rate(0.5, workers=1) == 0.1
    at_once = TrainingSettings(data="d", learning_rate=0.1, warmup_epochs=0)
    assert at_once.rate(0, workers=4) == pytest.approx(0.4)
    assert TrainingSettings(data="d", learning_rate=0.1, scaling="none").rate(9, workers=4) == 0.1


def test_the_papers_preset():
    settings = TrainingSettings(data="d", **PRESETS["paper"])
    assert (settings.optimizer, settings.learning_rate, settings.batch_size) == ("Adadelta", 8.0, 8)
    assert (settings.backbone, settings.weights, settings.classification_loss) == ("EfficientNetB4", "imagenet", "mse")
    assert settings.rate(3, workers=512) == 8.0


def test_settings_survive_json_and_tell_what_differs():
    settings = TrainingSettings(data="d", loss_weights={"images": 2.0}, cameras=(1, 2), times_myr=(0, 5))
    again = msgspec.json.decode(msgspec.json.encode(settings), type=TrainingSettings)
    assert again == settings
    longer = msgspec.structs.replace(settings, epochs=99, patience=3)
    longer.require_same(settings, "runs/a")
    with pytest.raises(InputError, match="runs/a was begun with seed 0, not 1: choose another folder with --out"):
        msgspec.structs.replace(settings, seed=1).require_same(settings, "runs/a")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("backbone", "EficientNetB0", "near names: .*EfficientNetB0"),
        ("scaling", "lin", "unknown scaling 'lin'"),
        ("loading", "some", "unknown loading 'some'; .*all, shard, reshuffle"),
        ("batch_size", 0, "batch_size 0 is too small: 1 or more"),
        ("epochs", 0, "epochs 0 is too small"),
        ("passes", -1, "passes -1 is too small"),
        ("warmup_epochs", -1.0, "warmup_epochs -1.0 is too small: 0 or more"),
        ("learning_rate", 0.0, "learning_rate 0.0 is not a positive number"),
        ("learning_rate", float("nan"), "learning_rate nan"),
    ],
)
def test_a_value_out_of_range_is_named(field, value, told):
    with pytest.raises(InputError, match=told):
        TrainingSettings(data="d", **{field: value})
