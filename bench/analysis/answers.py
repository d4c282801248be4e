"""What a precision costs in answers: each run of a trained network beside the FP32 run of the same network."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from deepgalaxy.record import Answers, RunRecord
from deepgalaxy.words import Engine, Mode, Outcome, Precision

SAME_QUESTION = ["backbone", "resolution", "data", "model"]
"""Columns that answers must share to be compared."""

ANSWER_COLUMNS = [
    *("answered_images", "top1_agreement", "top1_agreement_low", "top1_agreement_high"),
    *("largest_probability_difference", "top1_accuracy", "top5_accuracy"),
]


def with_answers(table: pd.DataFrame, records: Iterable[RunRecord]) -> pd.DataFrame:
    """The table of `scaling_table` with `ANSWER_COLUMNS`, where a trained network has answered.

    top1_agreement: share of images with the same likeliest class as in FP32 (stock TensorFlow's, where it was
    run), with its 95% interval (Wilson); largest_probability_difference: of any class of any image
    NaN where there is no FP32 run to compare with; accuracies need none.
    """
    answers: dict[tuple[object, ...], Answers] = {}
    for record in records:
        found = record.ranks[0].answers if record.outcome is Outcome.OK and record.ranks else None
        if found is not None:
            spec = record.spec
            question = (spec.backbone, spec.resolution, spec.data_name, spec.model)
            answers[(*question, spec.precision, spec.engine)] = found
    table = table.copy()
    for column in ANSWER_COLUMNS:
        table[column] = np.nan
    for i, row in table[table["mode"] == Mode.INFER.value].iterrows():
        question = tuple(row[SAME_QUESTION])
        given = answers.get((*question, row["precision"], row["engine"]))
        if given is None or row["outcome"] != Outcome.OK.value:
            continue
        references = (answers.get((*question, Precision.FP32, engine)) for engine in (Engine.TENSORFLOW, Engine.ITEX))
        reference = next((r for r in references if r and r.label == given.label), None)
        for column, value in _compared(given, reference).items():
            table.loc[i, column] = value
    return table


def _compared(given: Answers, reference: Answers | None) -> dict[str, float]:
    labels, probabilities = np.array(given.label), np.array(given.probabilities)
    likeliest = np.argsort(-probabilities, axis=1)
    figures = {
        "answered_images": len(labels),
        "top1_accuracy": float(np.mean(likeliest[:, 0] == labels)),
        "top5_accuracy": float(np.mean(np.any(likeliest[:, :5] == labels[:, None], axis=1))),
    }
    if reference is not None:
        expected = np.array(reference.probabilities)
        agreeing = int(np.sum(likeliest[:, 0] == np.argmax(expected, axis=1)))
        interval = binomtest(agreeing, len(labels)).proportion_ci(0.95, method="wilson")
        figures |= {
            "top1_agreement": agreeing / len(labels),
            "top1_agreement_low": float(interval.low),
            "top1_agreement_high": float(interval.high),
            "largest_probability_difference": float(np.abs(probabilities - expected).max()),
        }
    return figures
