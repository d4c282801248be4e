import math

import msgspec
import pytest

from bench.analysis.imported import ImportedPoint, imported_table, with_imported
from bench.analysis.scaling import scaling_table
from deepgalaxy.errors import InputError
from deepgalaxy.words import Mode, Outcome, Provenance

POINT = ImportedPoint(
    program="horovod-synthetic",
    who="somebody",
    site="elsewhere",
    mode=Mode.TRAIN,
    backbone="ResNet50",
    resolution=224,
    batch_size=32,
    workers=4,
    throughput_images_per_s=1280.0,
    flaws=["one fixed random batch: no data pipeline"],
    source="log.txt",
    source_sha256="0" * 64,
    imported_utc="2026-01-01T00:00:00+00:00",
)


@pytest.fixture
def table(make_record):
    failed = make_record([[1.0]] * 4, outcome=Outcome.OOM, reason="out of memory")
    return scaling_table([make_record([[1.0] * 6]), make_record([[1.25] * 6] * 2), failed], 1)


def test_imported_rows_have_the_tables_columns_and_a_note(table):
    rows = imported_table([POINT])
    assert set(rows.columns) == {*table.columns, "note"}
    (row,) = rows.to_dict("records")
    assert (row["provenance"], row["workers"], row["launcher"]) == ("published", 4, "horovod-synthetic")
    assert row["step_time_s"] == pytest.approx(0.1)
    assert row["note"] == (
        "from log.txt (horovod-synthetic, run by somebody); known flaws: one fixed random batch: no data pipeline"
    )


def test_ours_stay_as_they_are_beside_imported_ones(table):
    joined = with_imported(table, [POINT, msgspec.structs.replace(POINT, workers=1)])
    assert list(joined["provenance"]) == ["measured"] * 3 + ["published"] * 2
    assert list(joined["note"].iloc[:3]) == [""] * 3
    ours = joined.iloc[:3].drop(columns="note")
    for name in table.columns:
        for before, after in zip(table[name], ours[name], strict=True):
            assert before == after or (math.isnan(before) and math.isnan(after))
    assert joined["workers"].dtype == table["workers"].dtype


def test_an_imported_point_is_nobodys_baseline(table):
    joined = with_imported(table, [msgspec.structs.replace(POINT, workers=n) for n in (1, 2)])
    theirs = joined[joined["provenance"] == "published"]
    assert theirs[["speedup", "efficiency", "throughput_low", "peak_rss_bytes"]].isna().all(axis=None)
    assert (theirs["baseline_workers"] == 0).all()


def test_no_imported_points_leave_a_table_alone(table):
    assert with_imported(table, []) is table


def test_imported_points_alone_make_a_table():
    assert list(with_imported(scaling_table([], 1), [POINT])["workers"]) == [4]


def test_a_networks_name_never_leads_out_of_the_folder():
    assert "/" not in msgspec.structs.replace(POINT, backbone="../../etc/passwd").name


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"provenance": Provenance.MEASURED}, "an imported result can't be measured"),
        ({"throughput_images_per_s": 0.0}, "throughput_images_per_s 0.0 is not a positive number"),
        ({"workers": 0}, "workers 0 is too small: 1 or more is allowed"),
    ],
)
def test_a_false_point_is_refused(fields, told):
    with pytest.raises(InputError, match=told):
        msgspec.structs.replace(POINT, **fields)
