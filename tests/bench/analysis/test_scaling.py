import numpy as np
import pytest

from bench.analysis.scaling import baseline_for, scaling_table
from deepgalaxy.errors import InputError
from deepgalaxy.words import Outcome


def row(table, workers):
    return table[table["workers"] == workers].iloc[0]


def test_speedup_and_efficiency_are_relative_to_the_baseline(make_record):
    # 4 images a rank and step: 4/s on one rank, 2 x 4 / 1.25 = 6.4/s on two.
    table = scaling_table([make_record([[1.0] * 6]), make_record([[1.0] * 6, [1.25] * 6])], baseline_workers=1)
    assert row(table, 1)["throughput_images_per_s"] == pytest.approx(4.0)
    two = row(table, 2)
    assert two["throughput_images_per_s"] == pytest.approx(6.4)
    assert two["speedup"] == pytest.approx(1.6)
    assert two["efficiency"] == pytest.approx(0.8)
    assert two["efficiency_low"] == pytest.approx(0.8)
    assert two["baseline_workers"] == 1


def test_the_papers_normalisation_gives_its_four_workers_a_speedup_of_four(make_record):
    records = [make_record([[1.0] * 6] * n) for n in (4, 8)]
    table = scaling_table(records, baseline_workers=4)
    assert list(table["speedup"]) == pytest.approx([4.0, 8.0])
    assert list(table["efficiency"]) == pytest.approx([1.0, 1.0])


def test_efficiencys_interval_includes_the_baselines(make_record):
    rng = np.random.default_rng(0)
    noisy, calm = rng.normal(1, 0.1, (1, 40)), np.ones((2, 40))
    table = scaling_table([make_record(noisy), make_record(calm)], baseline_workers=1)
    two = row(table, 2)
    assert two["throughput_low"] == pytest.approx(two["throughput_high"])
    assert two["efficiency_high"] - two["efficiency_low"] > 0.02
    assert two["efficiency_low"] < two["efficiency"] < two["efficiency_high"]


def test_a_failed_point_stays_in_the_table_and_out_of_the_figures(make_record):
    failed = make_record([[1.0]] * 2, outcome=Outcome.OOM, reason="out of memory, rank 1 first")
    table = scaling_table([make_record([[1.0] * 6]), failed], baseline_workers=1)
    two = row(table, 2)
    assert (two["outcome"], two["reason"]) == ("oom", "out of memory, rank 1 first")
    assert np.isnan(two["throughput_images_per_s"])
    assert np.isnan(two["efficiency"])


def test_launches_are_joined_and_a_failed_launch_is_counted_not_averaged(make_record):
    records = [
        make_record([[1.0] * 6], launch=1),
        make_record([[3.0] * 6], launch=2),
        make_record([[1.0] * 6], launch=3, outcome=Outcome.HANG, reason="rank 0 has done nothing"),
    ]
    one = row(scaling_table(records, 1), 1)
    assert one["step_time_s"] == pytest.approx(2.0)
    assert (one["launches"], one["failed_launches"], one["outcome"]) == (2, 1, "ok")


def test_without_its_baseline_a_point_has_no_efficiency(make_record):
    table = scaling_table([make_record([[1.0] * 6] * 2)], baseline_workers=1)
    assert np.isnan(row(table, 2)["efficiency"])
    assert row(table, 2)["throughput_images_per_s"] == pytest.approx(8.0)


def test_an_oversubscribed_record_is_never_a_baseline(make_record):
    shared = make_record([[1.0] * 6] * 4, oversubscribe=True)
    table = scaling_table([shared, make_record([[1.0] * 6] * 8)], baseline_workers=4)
    assert table["efficiency"].isna().all()


def test_curves_are_not_mixed(make_record):
    other = make_record([[1.0] * 6] * 2, backbone="ResNet50")
    table = scaling_table([make_record([[1.0] * 6]), other], baseline_workers=1)
    assert np.isnan(row(table, 2)["efficiency"])


def test_a_curve_goes_on_wherever_its_data_lie(make_record):
    records = [
        make_record([[1.0] * 8] * workers, data=f"/{place}/mergers.hdf5") for workers, place in ((1, "one"), (2, "two"))
    ]
    assert scaling_table(records, 1)["efficiency"].tolist() == [1.0, 1.0]


def test_no_records_give_an_empty_table():
    assert scaling_table([], 1).empty


@pytest.mark.parametrize(
    ("workers", "slots", "asked", "expected"),
    [([128], 512, None, 4), ([2], 2, None, 1), ([2, 8], 8, None, 1), ([8], 8, 2, 2), ([128], 2, None, 1)],
)
def test_the_baseline_is_the_papers_four_where_it_can_be_had(workers, slots, asked, expected):
    assert baseline_for(workers, slots, asked) == expected


def test_a_baseline_below_one_is_refused():
    with pytest.raises(InputError, match="--baseline-workers 0 is too small"):
        baseline_for([2], 2, 0)
