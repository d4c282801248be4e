import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bench.analysis.scaling import scaling_table
from bench.report.report import report
from bench.report.scaling import scaling_figure
from bench.report.tables import notes, readable, write_tables
from bench.store.results import Results
from deepgalaxy.words import Mode, Outcome


@pytest.fixture
def records(make_record):
    return [
        make_record([[1.0, 1.1, 0.9] * 4]),
        make_record([[1.2, 1.1, 1.3] * 4] * 2),
        make_record([[1.0]] * 4, outcome=Outcome.OOM, reason="out of memory, rank 3 first"),
    ]


def test_tables_hold_every_point_with_provenance_baseline_and_reason(tmp_path, records):
    table = scaling_table(records, 1)
    csv, markdown = write_tables(table, tmp_path, "Why?")
    again = pd.read_csv(csv)
    assert list(again["workers"]) == [1, 2, 4]
    assert set(again["provenance"]) == {"measured"}
    text = markdown.read_text()
    assert text.startswith("# Why?")
    assert "relative to 1 worker of the same curve" in text
    assert "oom: train EfficientNetB0 32px fp32 4 workers: out of memory, rank 3 first" in text


def test_the_readable_table_puts_intervals_beside_values(records):
    shown = readable(scaling_table(records, 1)).set_index("workers")
    assert shown.at["1", "efficiency"] == "1.00"
    assert re.fullmatch(r"0\.\d\d \[0\.\d\d, 0\.\d\d\]", shown.at["2", "efficiency"])
    assert shown.at["4", "efficiency"] == "-"
    assert shown.at["4", "outcome"] == "oom"


def test_inference_has_its_latency_by_quantiles(make_record):
    times = np.random.default_rng(0).permutation(np.linspace(0.1, 0.2, 1001))
    table = scaling_table([make_record(times, mode=Mode.INFER), make_record(times)], 1)
    found = table.loc[table["mode"] == "infer", ["step_p50_s", "step_p95_s", "step_p99_s"]]
    assert found.to_numpy()[0] == pytest.approx([0.15, 0.195, 0.199], rel=0.01)
    shown = readable(table).set_index("mode")["latency p50 / p95 / p99 [ms]"]
    assert re.fullmatch(r"1[45]\d\.\d / 19\d\.\d / 19\d\.\d", shown["infer"])
    assert shown["train"] == "-"


def test_oversubscribed_points_are_marked(make_record):
    table = scaling_table([make_record([[1.0] * 6] * 4, oversubscribe=True)], 1)
    assert readable(table).at[0, "workers"] == "4*"
    assert "oversubscribed" in notes(table)


def test_the_figure_is_drawn_where_a_curve_has_two_counts(tmp_path, records):
    table = scaling_table(records, 1)
    drawn = scaling_figure(table, tmp_path / "scaling", "title")
    png, pdf = (tmp_path / f"scaling.{form}" for form in ("png", "pdf"))
    assert {png, pdf} < set(drawn.files)
    pixels = plt.imread(png)
    assert pixels.shape[0] > 300
    assert pixels.std() > 0.05
    assert pdf.read_bytes().startswith(b"%PDF")
    assert scaling_figure(table[table["workers"] == 1], tmp_path / "scaling", "title") is None


def test_a_report_of_nothing_says_so(tmp_path):
    assert report(Results(tmp_path), "Why?", 1) == ("no records yet", [])
