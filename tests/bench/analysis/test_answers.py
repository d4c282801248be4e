import msgspec
import numpy as np
import pytest

from bench.analysis.scaling import scaling_table
from bench.report.tables import readable
from deepgalaxy.record import Answers
from deepgalaxy.words import Engine, Mode, Precision

LABELS = [0, 1, 2, 3]
SURE = np.eye(6)[LABELS]


@pytest.fixture
def answered(make_record):
    """A record of a trained model that gave these probabilities."""

    def make(probabilities, labels=LABELS, **fields):
        record = make_record([[1.0] * 6], **({"mode": Mode.INFER, "model": "a.keras"} | fields))
        answers = Answers(label=list(labels), probabilities=np.asarray(probabilities).tolist())
        rank = msgspec.structs.replace(record.ranks[0], answers=answers)
        return msgspec.structs.replace(record, ranks=[rank])

    return make


def rows(records):
    return scaling_table(records, 1).set_index("precision")


def test_a_coarser_precision_stands_beside_fp32(answered):
    coarse = SURE.copy()
    coarse[3] = [0.55, 0, 0, 0.45, 0, 0]
    table = rows([answered(SURE), answered(coarse, precision=Precision.BF16)])
    assert table.at["fp32", "top1_agreement"] == table.at["fp32", "top1_accuracy"] == 1
    bf16 = table.loc["bf16"]
    assert bf16["top1_agreement"] == bf16["top1_accuracy"] == 0.75
    assert bf16["top1_agreement_low"] < 0.5 and 0.75 < bf16["top1_agreement_high"] < 1
    assert bf16["largest_probability_difference"] == pytest.approx(0.55)
    assert bf16["top5_accuracy"] == 1
    assert bf16["answered_images"] == 4


def test_stock_tensorflow_is_the_reference_where_it_ran(answered):
    other = SURE[::-1]
    records = [
        answered(other, engine=Engine.ITEX),
        answered(SURE),
        answered(SURE, precision=Precision.BF16, engine=Engine.ITEX),
    ]
    table = scaling_table(records, 1).set_index(["engine", "precision"])
    assert table.at[("itex", "bf16"), "top1_agreement"] == 1
    assert table.at[("itex", "fp32"), "top1_agreement"] == 0


@pytest.mark.parametrize("change", [{"model": "b.keras"}, {"backbone": "ResNet50"}, {"labels": [0, 1, 2, 4]}])
def test_answers_to_another_question_are_not_compared(answered, change):
    table = rows([answered(SURE), answered(SURE, precision=Precision.BF16, **change)])
    assert np.isnan(table.at["bf16", "top1_agreement"])
    assert table.at["bf16", "top1_accuracy"] > 0


def test_the_readable_table_shows_answers_only_where_there_are_some(answered, make_record):
    shown = readable(scaling_table([answered(SURE), make_record([[1.0] * 6])], 1)).set_index("mode")
    assert shown.at["infer", "top-1 as FP32"].startswith("1.000 [")
    assert shown.at["infer", "top-1 / top-5"] == "1.000 / 1.000"
    assert shown.at["train", "top-1 / top-5"] == "-"
    assert "top-1 / top-5" not in readable(scaling_table([make_record([[1.0] * 6])], 1))
