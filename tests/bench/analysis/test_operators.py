import msgspec
import pytest

from bench.analysis.operators import first_step_table, first_steps, operator_table, step_facts
from bench.analysis.ranks import phase_table
from bench.report import operators
from deepgalaxy.errors import InputError
from deepgalaxy.record import MemorySample, OperatorCost

COSTS = [
    OperatorCost(operator="Conv2D", count=3, time_s=0.06, flop=6e9, bytes_moved=6e8),
    OperatorCost(operator="Mul", count=9, time_s=0.04, flop=0, bytes_moved=4e8),
]


@pytest.fixture
def record(make_record):
    made = make_record([[0.2] * 8])
    rank = msgspec.structs.replace(
        made.ranks[0],
        operators=COSTS,
        gemm_flop_per_s=2e11,
        flop_per_image=2e9,
        phase_time_s={"start": 1.0, "import": 3.0, "first_step": 2.0, "measure": 9.0},
        memory=[
            MemorySample(phase=phase, rss_bytes=1, pss_bytes=1, peak_rss_bytes=peak)
            for phase, peak in (("import", 5), ("first_step", 7), ("measure", 90))
        ],
    )
    return msgspec.structs.replace(made, ranks=[rank])


def test_rates_and_shares_follow_from_times(record):
    table = operator_table(record).set_index("operator")
    assert list(table["share"]) == pytest.approx([0.6, 0.4])
    assert table.at["Conv2D", "flop_per_s"] == pytest.approx(1e11)
    assert table.at["Conv2D", "fraction_of_peak"] == pytest.approx(0.5)
    assert table.at["Mul", "flop_per_s"] != table.at["Mul", "flop_per_s"]  # not a product
    assert table.at["Mul", "bytes_per_s"] == pytest.approx(1e10)


def test_a_step_is_held_against_the_cores_peak(record):
    facts = step_facts(record)
    assert facts["operators_s"] == pytest.approx(0.1)
    assert facts["fraction_of_peak"] == pytest.approx(4 * 2e9 / 0.2 / 2e11)


def test_phases_end_with_the_first_step(record):
    table = first_step_table(record)
    assert list(table["phase"]) == ["start", "import", "first_step", "all"]
    assert table["time_s"].iloc[-1] == pytest.approx(6.0)
    assert table["peak_rss_bytes"].iloc[-1] == 7


def test_the_page_shows_the_longest_and_counts_the_rest(record):
    text = operators.readable(step_facts(record), operator_table(record), first_step_table(record), top=1)
    assert "Conv2D" in text
    assert "Mul" not in text
    assert "1 more operators" in text


def test_a_record_without_operators_is_told(make_record):
    with pytest.raises(InputError, match="no operation was timed"):
        operator_table(make_record([[0.2] * 8]))


def test_phases_of_all_points_stand_side_by_side(record, make_record):
    other = make_record([[0.1] * 8] * 2)
    table = first_steps(phase_table([record, other]))
    assert list(table["workers"]) == [1]  # the other tells no phases
    assert table["all"].iloc[0] == pytest.approx(5.0)  # the table has no memory of the start, and leaves it out
    assert table["trace"].isna().all()
