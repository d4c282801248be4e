"""The whole report: what ended badly, what is missing and what is not ours are all seen, and enter no average."""

import re

import numpy as np
import pandas as pd
import pytest

from bench.report.report import report
from bench.report.scaling import panels
from bench.store.results import Results
from deepgalaxy.words import Outcome
from tests.bench.analysis.test_breakdown import split_record


@pytest.fixture
def store(tmp_path):
    def keep(records):
        results = Results(tmp_path / "campaign")
        for record in records:
            _, folder = results.new_launch(record.spec)
            results.write(record, folder)
        return results

    return keep


@pytest.fixture
def broken(make_record, make_spec, store):
    """A campaign with one oom, one timeout, one count that did not run, one projected."""
    records = [
        make_record([[1.0] * 6], launch=1),
        make_record([[1.0] * 6] * 2),
        make_record([[1.0]] * 4, outcome=Outcome.OOM, reason="rank 2 ran out of memory"),
        make_record([[1.0]] * 8, outcome=Outcome.TIMEOUT, reason="no end after 60 s <script>"),
    ]
    planned = [make_spec(workers=n, steps=r.spec.steps) for n, r in zip((1, 2, 4, 8), records, strict=True)]
    planned.append(make_spec(workers=16, steps=6))
    projected = {"workers": 32, "speedup": 20.0, "efficiency": 0.625, "throughput_images_per_s": 80.0}
    return store(records), planned, projected


def projected_row(table, values):
    one = table.iloc[0].to_dict()
    blank = {name: np.nan for name in one if name.endswith(("_low", "_high"))}
    return pd.DataFrame([one | blank | values | {"provenance": "projected", "outcome": "ok"}])


def test_all_four_are_seen_and_none_is_averaged(broken, tmp_path):
    results, planned, projected = broken
    _, files = report(results, "Why?", 1, planned=planned)
    before = pd.read_csv(next(p for p in files if p.name == "table.csv"))
    text, files = report(results, "Why?", 1, planned=planned, elsewhere=projected_row(before, projected))
    table = pd.read_csv(next(p for p in files if p.name == "table.csv"))
    page = next(p for p in files if p.suffix == ".html").read_text()
    by = table.set_index("workers")
    assert by["outcome"].to_dict() == {1: "ok", 2: "ok", 4: "oom", 8: "timeout", 32: "ok"}
    assert by.at[32, "provenance"] == "projected"
    for told in ("rank 2 ran out of memory", "no end after 60 s &lt;script&gt;", "projected", "w16", "dgbench resume"):
        assert told in page, told
    assert "oom" in text and "timeout" in text and "projected" in text
    svg = next(p for p in files if p.name == "scaling.png").with_suffix(".svg").read_text()
    drawn = re.sub(r"<[^>]+>", "", svg)
    assert all(told in drawn for told in ("oom", "timeout", "speedup, projected", "failed or skipped"))
    # The averages are those of a campaign that never saw them.
    measured = table[table["provenance"] == "measured"].dropna(subset="efficiency")
    assert list(measured["workers"]) == [1, 2]
    assert (
        measured["throughput_images_per_s"].tolist()
        == before.dropna(subset="efficiency")["throughput_images_per_s"].tolist()
    )
    assert set(panels(table)[0][1].groupby("provenance").size().index) == {"measured", "projected"}


def test_the_page_holds_all_it_needs(make_record, store):
    records = [split_record(make_record, (0.3, 0.02, 0.05)), make_record([[0.4] * 6])]
    results = store([*records, make_record([[0.8] * 6], resolution=64)])
    _, files = report(results, "Where does the time go?", 1)
    page = next(p for p in files if p.suffix == ".html").read_text()
    assert not re.search(r'(src|href)="(?!#)', page.replace("xlink:href", "href"))
    assert "@import" not in page
    for title in ("Scaling", "Efficiency", "Inside a step", "Ranks beside one another", "Memory and resolution"):
        assert f"<h2>{title}</h2>" in page
    identities = re.findall(r'\bid="([^"]+)"', page)
    assert len(identities) == len(set(identities))
    for stem in ("scaling", "efficiency", "step", "ranks", "memory"):
        assert {p.suffix for p in files if p.stem == stem} == {".png", ".pdf", ".csv"}


def test_memory_over_resolution_is_not_drawn_of_one_resolution(make_record, store):
    _, files = report(store([make_record([[1.0] * 6] * n) for n in (1, 2)]), "Why?", 1)
    assert "scaling" in {path.stem for path in files}
    assert "memory" not in {path.stem for path in files}


def test_one_point_and_one_failure_have_a_page(make_record, store):
    results = store([make_record([[1.0]], outcome=Outcome.HANG, reason="rank 0 has done nothing")])
    _, files = report(results, "Why?", 1)
    page = next(p for p in files if p.suffix == ".html").read_text()
    assert "rank 0 has done nothing" in page
    assert "not measured" in page.lower()


def test_the_papers_own_numbers_stand_beside_ours_where_the_work_is_the_same(make_record, store):
    same = {"backbone": "EfficientNetB4", "resolution": 1024, "batch_size": 8}
    results = store([make_record([[1.0] * 6] * n, **same) for n in (4, 8)])
    _, files = report(results, "Why?", 4)
    table = pd.read_csv(next(p for p in files if p.name == "table.csv"))
    paper = table[table["provenance"] == "published"].set_index("workers")
    assert paper["efficiency"].to_dict() == {128: 0.93, 512: 0.73}
    assert "published: somebody" in next(p for p in files if p.suffix == ".html").read_text().replace("</b>", "")
