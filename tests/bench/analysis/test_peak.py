import math

import msgspec
import pytest

from bench.analysis.peak import best_peaks, fraction_of_peak
from bench.analysis.scaling import scaling_table
from deepgalaxy.words import Outcome, Precision


def with_peak(record, gemm_flop_per_s, flop_per_image=1e9, cpu="one"):
    ranks = [
        msgspec.structs.replace(rank, gemm_flop_per_s=gemm_flop_per_s, flop_per_image=flop_per_image)
        for rank in record.ranks
    ]
    return msgspec.structs.replace(record, ranks=ranks, machine={"cpu": cpu})


def test_the_peak_is_the_best_of_all_launches_on_the_same_cores(make_record):
    small, large = make_record([[1.0] * 6]), make_record([[1.0] * 6], backbone="VGG16")
    peaks = best_peaks([with_peak(small, 8e9), with_peak(large, 1e10), with_peak(large, 9e9)])
    assert fraction_of_peak(4.0, with_peak(small, 8e9), peaks) == pytest.approx(0.4)
    assert math.isnan(fraction_of_peak(4.0, with_peak(small, 8e9, cpu="other"), peaks))


def test_other_cores_and_another_precision_have_peaks_of_their_own(make_record):
    one, two = make_record([[1.0] * 6]), make_record([[1.0] * 6] * 2)
    half = make_record([[1.0] * 6], precision=Precision.BF16)
    peaks = best_peaks([with_peak(one, 1e10), with_peak(two, 6e9), with_peak(half, 4e10)])
    assert fraction_of_peak(2.0, with_peak(one, 1.0), peaks) == pytest.approx(0.2)
    assert fraction_of_peak(3.0, with_peak(two, 1.0), peaks) == pytest.approx(3 / 12)  # the sum of both ranks'
    assert fraction_of_peak(4.0, with_peak(half, 1.0), peaks) == pytest.approx(0.1)


def test_without_a_peak_there_is_no_fraction(make_record):
    record = make_record([[1.0] * 6])
    assert math.isnan(fraction_of_peak(4.0, record, best_peaks([record])))
    assert math.isnan(fraction_of_peak(4.0, record, {}))


def test_the_table_shares_one_peak_and_failed_points_have_none(make_record):
    records = [
        with_peak(make_record([[1.0] * 6]), 8e9),
        with_peak(make_record([[2.0] * 6], backbone="VGG16"), 1e10),
        make_record([[1.0] * 6], backbone="ResNet50", outcome=Outcome.OOM, reason="out of memory"),
    ]
    table = scaling_table(records, baseline_workers=1).set_index("backbone")["fraction_of_peak"]
    assert (table["EfficientNetB0"], table["VGG16"]) == pytest.approx((0.4, 0.2))
    assert math.isnan(table["ResNet50"])
