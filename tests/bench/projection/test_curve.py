from dataclasses import replace

import numpy as np
import pytest

from bench.projection.curve import Machine, project
from bench.projection.fits import amdahl, efficiency_of, fit, logarithmic, usl
from bench.projection.inputs import fabric_of, work_from
from tests.bench.projection.test_allreduce import FABRIC
from tests.bench.projection.test_step import WORK

MACHINE = Machine(work=replace(WORK, jitter=0.02), fabric=FABRIC, per_node=4, batch_size=8)


def test_a_curve_is_projected_and_says_so():
    rows = project(MACHINE, [4, 64, 1024], 4)
    assert {row["provenance"] for row in rows} == {"projected"}
    assert rows[0]["efficiency"] == pytest.approx(1)
    for row in rows:
        assert row["efficiency_low"] <= row["efficiency"] <= row["efficiency_high"]
        assert row["speedup"] == pytest.approx(row["efficiency"] * row["workers"])
        assert row["throughput_images_per_s"] == pytest.approx(8 * row["workers"] / row["step_time_s"], rel=0.01)
    assert rows[-1]["efficiency"] < rows[1]["efficiency"]


def test_the_same_seed_gives_the_same_curve():
    assert project(MACHINE, [4, 64], 4, seed=1) == project(MACHINE, [4, 64], 4, seed=1)


def test_strong_scaling_runs_out_of_work():
    weak, strong = (project(MACHINE, [1, 512], 1, strong=s)[-1] for s in (False, True))
    assert strong["efficiency"] < weak["efficiency"] / 3
    assert strong["bottleneck"] == "exchange"


def test_work_of_a_profile():
    even = [(1000, 0.1 * (i + 1)) for i in range(10)]
    work = work_from(1.5, even, 1.0, 0.02)
    assert work.gradient_bytes == 4 * 10_000
    assert work.front_loading == pytest.approx(1.0, rel=0.25)  # evenly ready
    first = work_from(1.5, [(9000, 0.05), (1000, 1.0)], 1.0, 0.02)
    assert first.front_loading < 0.3
    assert work_from(1.5, even, 1.0, 0.02, fp16=True).gradient_bytes == 2 * 10_000


def test_sockets_carry_less_than_the_wire():
    tcp, rdma = (fabric_of(1e-5, 1.25e10, sockets=s, host=False, gpu=True).node_bandwidth for s in (True, False))
    assert tcp < rdma < 1.25e10


@pytest.mark.parametrize(
    ("law", "parameters", "name"),
    [
        (amdahl, (0.01,), "Amdahl"),
        (usl, (0.01, 1e-5), "Universal Scalability Law"),
        (logarithmic, (0.03,), "logarithmic"),
    ],
)
def test_a_law_is_found_again(law, parameters, name):
    workers = np.array([1.0, 2, 4, 8, 16, 32])
    measured = [
        (int(n), float(e), 0.005) for n, e in zip(workers, efficiency_of(law, parameters, workers), strict=True)
    ]
    (row,) = [row for row in fit(measured, [1024]) if row["law"] == name]
    assert row["efficiency"] == pytest.approx(efficiency_of(law, parameters, np.array([1024.0]))[0], rel=0.05)
    assert row["extrapolation"] == 32
    assert row["provenance"] == "projected"


def test_prediction_intervals_hold_what_comes_next():
    rng, held, trials = np.random.default_rng(0), 0, 60
    workers = np.array([1.0, 2, 4, 8, 16])
    for _ in range(trials):
        values = efficiency_of(logarithmic, [0.03], workers) + rng.normal(0, 0.01, len(workers))
        measured = list(zip(workers.astype(int), values, np.full(5, 0.01), strict=True))
        (row,) = [row for row in fit(measured, [64], seed=int(rng.integers(1000))) if row["law"] == "logarithmic"]
        truth = efficiency_of(logarithmic, [0.03], np.array([64.0]))[0] + rng.normal(0, 0.01)
        held += row["efficiency_low"] <= truth <= row["efficiency_high"]
    assert held / trials > 0.85


def test_a_law_needs_more_points_than_it_has_parameters():
    assert {row["law"] for row in fit([(1, 1.0, 0.01), (2, 0.9, 0.01)], [4])} == {"Amdahl", "logarithmic"}
    assert fit([(1, 1.0, 0.01)], [4]) == []
