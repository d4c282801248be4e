"""What is exported is read again by the programs that it is for."""

import io
import json

import msgspec
import pandas as pd
import pytest
from mlperf_logging.compliance_checker.mlp_parser import parse_file

from bench.analysis.scaling import scaling_table
from bench.exchange.extrap import as_extrap
from bench.exchange.mlperf import as_mllog
from bench.exchange.tables import as_csv, as_parquet
from deepgalaxy.errors import InputError
from deepgalaxy.record import StepSplit
from deepgalaxy.words import Outcome, Precision, Provenance

NEWEST_RULES = "6.1.0"


@pytest.fixture
def records(make_record):
    return [
        make_record([[1.0] * 6]),
        make_record([[1.25] * 6] * 2),
        make_record([[1.35] * 6] * 2, launch=2),
        make_record([[1.0]] * 4, outcome=Outcome.OOM, reason="out of memory, rank 3 first"),
    ]


@pytest.mark.parametrize(("write", "read"), [(as_csv, pd.read_csv), (as_parquet, pd.read_parquet)])
def test_tables_hold_all_points_and_figures(records, write, read):
    table = scaling_table(records, 1)
    again = read(io.BytesIO(write(table)))
    assert list(again.columns) == list(table.columns)
    assert list(again["outcome"]) == ["ok", "ok", "oom"]
    assert set(again["provenance"]) == {"measured"}
    assert list(again["throughput_images_per_s"][:2]) == pytest.approx([4.0, 8 / 1.3])
    assert again["throughput_images_per_s"].isna().iloc[2] and again["reason"].iloc[2].startswith("out of memory")


def test_parquet_keeps_types(records):
    table = scaling_table(records, 1)
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(as_parquet(table))), table)


@pytest.mark.parametrize("write", [as_csv, as_parquet])
def test_a_row_without_provenance_is_not_exported(records, write):
    table = scaling_table(records, 1)
    table.loc[1, "provenance"] = ""
    with pytest.raises(InputError, match="provenance '' can't be exported"):
        write(table)


@pytest.fixture
def mllog(tmp_path):
    """Lines as MLPerf's own parser reads them."""

    def parsed(records):
        path = tmp_path / "result_0.txt"
        path.write_bytes(as_mllog(records))
        lines, failed = parse_file(str(path), NEWEST_RULES)
        assert not failed
        return lines

    return parsed


def test_mlperfs_parser_reads_every_launch_with_status_and_provenance(records, mllog):
    lines = mllog(records)
    assert {line.value["metadata"]["provenance"] for line in lines} == {"measured"}
    ends = [line.value["metadata"] for line in lines if line.key == "run_stop"]
    assert [end["status"] for end in ends] == ["success", "success", "success", "aborted"]
    assert (ends[3]["outcome"], ends[3]["reason"]) == ("oom", "out of memory, rank 3 first")
    figures = [line.value["value"] for line in lines if line.key == "tracked_stats"]
    assert [f["throughput_images_per_s"] for f in figures] == pytest.approx([4.0, 6.4, 8 / 1.35])
    batches = [line.value["value"] for line in lines if line.key == "global_batch_size"]
    assert batches == [4, 8, 8, 16]


def test_the_measured_part_lies_where_the_ranks_say(make_record, mllog):
    record = make_record([[1.0] * 6])
    phases = {"import": 2.0, "build": 3.0, "measure": 6.5, "yardstick": 1.0}
    rank = msgspec.structs.replace(record.ranks[0], phase_time_s=phases)
    lines = {line.key: line.timestamp for line in mllog([msgspec.structs.replace(record, ranks=[rank])])}
    assert lines["init_stop"] == lines["run_start"] == lines["init_start"] + 5000
    assert lines["run_stop"] == lines["run_start"] + 6500


def test_launches_stand_in_the_order_of_their_start(make_record, mllog):
    late = msgspec.structs.replace(make_record([[1.0]]), started_utc="2026-01-02T00:00:00+00:00")
    times = [line.timestamp for line in mllog([late, make_record([[1.0]] * 2)])]
    assert times == sorted(times)


def test_mlperfs_name_for_half_precision(make_record, mllog):
    lines = mllog([make_record([[1.0]], precision=Precision.BF16)])
    assert next(x for x in lines if x.key == "lowest_numerical_precision_in_linear").value["value"] == "bfloat16"


def test_extrap_has_a_value_a_launch_and_counts_what_it_leaves_out(records):
    written = as_extrap(records)
    (content,) = map(json.loads, written.files)
    ((name, metrics),) = content["measurements"].items()
    assert content["parameters"] == ["workers"]
    assert name.endswith(", measured") and "train-EfficientNetB0" in name
    one, two = metrics["step_time_s"]
    assert (one["point"], two["point"]) == ([1.0], [2.0])
    assert two["values"] == pytest.approx([1.25, 1.35])
    assert (written.left_out, written.few) == (1, {name: 2})


def test_curves_that_differ_are_apart(make_record, records):
    """By provenance, by shared cores, by site; with other worker counts in a file of their own, as Extra-P asks."""
    others = [
        make_record([[2.0] * 4], provenance=Provenance.EMULATED),
        make_record([[2.0] * 4], oversubscribe=True),
        msgspec.structs.replace(make_record([[2.0] * 4]), site="elsewhere"),
    ]
    first, second = (json.loads(file)["measurements"] for file in as_extrap(records + others).files)
    assert len(first) == 1 and len(second) == 3


def test_split_steps_become_metrics_where_all_have_them(make_record):
    def with_split(record):
        split = StepSplit(whole_s=[1.0, 1.2, 1.1], alone_s=[0.8, 0.8, 0.9], compute_s=[0.7, 0.7, 0.7])
        return msgspec.structs.replace(record, ranks=[msgspec.structs.replace(r, split=split) for r in record.ranks])

    one, two = with_split(make_record([[1.0] * 4])), make_record([[1.0] * 4] * 2)
    (metrics,) = json.loads(as_extrap([one, with_split(two)]).files[0])["measurements"].values()
    assert metrics["communication_s"][0]["values"] == pytest.approx([0.3])
    assert metrics["optimizer_s"][0]["values"] == pytest.approx([0.1])
    (metrics,) = json.loads(as_extrap([one, two]).files[0])["measurements"].values()
    assert "communication_s" not in metrics and len(metrics["step_time_s"]) == 2


def test_extrap_loads_it_and_finds_the_law(make_record, tmp_path):
    """Made steps of 1 + 0.1 x workers seconds."""
    json_file_reader = pytest.importorskip(
        "extrap.fileio.file_reader.json_file_reader", reason="extrap brings a graphical toolkit: not in the lock"
    )
    from extrap.modelers.model_generator import ModelGenerator

    launches = [make_record([[1 + 0.1 * n] * 6] * n) for n in (1, 2, 4, 8, 16)]
    launches += [make_record([[1.0]] * 3, outcome=Outcome.TIMEOUT, reason="took too long")]
    path = tmp_path / "curve.json"
    path.write_bytes(as_extrap(launches).files[0])
    experiment = json_file_reader.JsonFileReader().read_experiment(path)
    assert [c[0] for c in experiment.coordinates] == [1, 2, 4, 8, 16]
    generator = ModelGenerator(experiment)
    generator.model_all()
    ((_, model),) = ((key, m) for key, m in generator.models.items() if str(key[1]) == "step_time_s")
    for workers in (3, 32):
        assert model.hypothesis.function.evaluate(workers) == pytest.approx(1 + 0.1 * workers, rel=0.01)
