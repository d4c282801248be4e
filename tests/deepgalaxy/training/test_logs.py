import csv

import pytest
from PIL import Image

from deepgalaxy.errors import InputError
from deepgalaxy.training.logs import Logs, draw_curves

ROW = {"epoch": 1, "loss": 2.0, "top_1": 0.1, "val_loss": 3.0, "val_top_1": 0.1, "val_top_5": 0.3}


def test_the_csv_is_whole_after_each_epoch(tmp_path):
    logs = Logs(tmp_path, "title")
    history = []
    for number in (1, 2, 3):
        history.append(ROW | {"epoch": number, "loss": 2.0 / number})
        logs.epoch(history)
        rows = list(csv.DictReader((tmp_path / "log.csv").open()))
        assert [float(row["loss"]) for row in rows] == pytest.approx([2.0 / n for n in range(1, number + 1)])
    assert not list(tmp_path.glob("*.partial"))


def test_there_is_a_panel_of_accuracy_where_there_is_a_classifier(tmp_path):
    draw_curves([ROW], "title", tmp_path / "both.png")
    draw_curves([{k: v for k, v in ROW.items() if "top" not in k}], "title", tmp_path / "loss.png")
    assert Image.open(tmp_path / "both.png").size[0] == 2 * Image.open(tmp_path / "loss.png").size[0]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't write"):
        draw_curves([ROW], "title", tmp_path / "file" / "curves.png")
