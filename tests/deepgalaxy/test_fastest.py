import zipfile

import pytest

from deepgalaxy import fastest
from deepgalaxy.errors import InputError
from deepgalaxy.fastest import Measured, Way, best, input_edge, measure, ways
from deepgalaxy.networks.catalogue import SMALL
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.words import Engine, Precision

STOCK = Way(Engine.TENSORFLOW, Precision.FP32)
BROKEN = Way(Engine.ITEX, Precision.BF16)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "model.keras"
    network(SMALL, 32, {Part.CLASSIFIER}, classes=5).save(path)
    return path


def test_auto_leaves_open_what_can_be_had():
    assert ways("auto", "auto") == [
        Way(Engine.TENSORFLOW, Precision.FP32),
        Way(Engine.TENSORFLOW, Precision.BF16),
        Way(Engine.ITEX, Precision.FP32),
        Way(Engine.ITEX, Precision.BF16),
        Way(Engine.ITEX, Precision.BF16_AMP),
    ]
    assert ways("auto", "fp32") == [STOCK, Way(Engine.ITEX, Precision.FP32)]
    assert ways("tensorflow", "auto") == [STOCK, Way(Engine.TENSORFLOW, Precision.BF16)]


def test_a_way_is_timed_once_and_remembered(model):
    told = []
    first = measure(model, 32, 4, 1, [STOCK], told.append)
    assert first.images_per_s["tensorflow fp32"] > 0 and not first.known
    assert told == ["measuring tensorflow fp32 on model.keras, 32 pixels, batch 4"]
    again = measure(model, 32, 4, 1, [STOCK], told.append)
    assert again == Measured(first.images_per_s, known=True)
    assert len(told) == 1


def test_another_size_is_measured_anew_and_a_failure_never_chosen(model, monkeypatch):
    speeds = {STOCK: 10.0, BROKEN: 0.0}
    monkeypatch.setattr(fastest, "_timed_elsewhere", lambda *where: speeds[where[-1]])
    for size in (4, 8):
        measured = measure(model, 32, size, 1, list(speeds), lambda what: None)
        assert not measured.known
        assert best(measured, list(speeds)) == STOCK
    with pytest.raises(InputError, match="none of itex bf16 can run this model here"):
        best(measured, [BROKEN])


def test_the_edge_of_a_saved_model_is_read_without_loading_it(model, tmp_path):
    assert input_edge(model) == 32
    network(SMALL, None, {Part.CLASSIFIER}, classes=5).save(tmp_path / "any.keras")
    assert input_edge(tmp_path / "any.keras") is None


def test_what_is_no_model_is_told(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        input_edge(tmp_path / "none.keras")
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(InputError, match="can't be read: File is not a zip file"):
        input_edge(tmp_path / "text.keras")
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(InputError, match="can't be read"):
        input_edge(tmp_path / "other.keras")
