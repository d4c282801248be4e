"""A scaling curve that was not measured: throughput, speedup and efficiency over worker counts, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.projection.constants import SPREAD
from bench.projection.step import TERMS, AnyFabric, Step, Work, step

DRAWS = 400
LEVEL = (0.025, 0.5, 0.975)

NETWORK_SPREAD = 1.2
"""Of a network profile's latency and bandwidth, see `Machine`."""
COMPUTE_SPREAD = 1.03
"""The same of a step that was measured on one worker."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a curve is projected for: a step on one worker, its images, a fabric, and workers a node.

    network_spread: factor that the fabric's latency and bandwidth may be off by, one standard deviation of its
        logarithm
    """

    work: Work
    fabric: AnyFabric
    per_node: int
    batch_size: int
    network_spread: float = NETWORK_SPREAD


def project(
    machine: Machine, workers: Sequence[int], baseline: int, *, strong: bool = False, seed: int = 0
) -> list[dict[str, Any]]:
    """One row a worker count: median and 95% interval over draws of what is not known for sure.

    strong: the global batch stays what it is at the baseline count; a step then computes the less, the more workers.
        Its compute time is taken to be proportional to the local batch, which is optimistic for small ones.
    terms: seconds of the step by `TERMS`, medians; bottleneck: the largest of them beside computing itself
    """
    drawn = _drawn(machine, np.random.default_rng(seed))
    images = machine.batch_size * baseline
    base = _step(drawn, baseline, baseline, strong=strong)
    rows = []
    for count in workers:
        taken = _step(drawn, count, baseline, strong=strong)
        per_step = images if strong else machine.batch_size * count
        throughput = per_step / taken.total_s
        speedup = baseline * throughput / (images / base.total_s)
        rows.append(
            {
                "workers": count,
                **_quantiles("step_time", "step_time_s", taken.total_s),
                **_quantiles("throughput", "throughput_images_per_s", throughput),
                **_quantiles("speedup", "speedup", speedup),
                **_quantiles("efficiency", "efficiency", speedup / count),
                "terms": {term: float(np.median(getattr(taken, term))) for term in TERMS},
                "bottleneck": _bottleneck(taken),
                "baseline_workers": baseline,
                "provenance": "projected",
            }
        )
    return rows


def _step(machine: Machine, workers: int, baseline: int, *, strong: bool) -> Step:
    work = machine.work
    if strong:
        work = replace(work, compute_s=work.compute_s * baseline / workers)
    return step(workers, machine.per_node, work, machine.fabric)


def _drawn(machine: Machine, rng: np.random.Generator) -> Machine:
    """The machine with draws in place of what is not known for sure."""

    def spread(value: Any, factor: float) -> Any:
        return value * np.exp(np.log(factor) * rng.standard_normal(DRAWS))

    work, fabric = machine.work, machine.fabric
    jitter = SPREAD["jitter_cpu"] if fabric.host else SPREAD["jitter_gpu"]
    return replace(
        machine,
        work=replace(
            work,
            compute_s=spread(work.compute_s, COMPUTE_SPREAD),
            jitter=spread(work.jitter, jitter),
            contention=spread(work.contention, SPREAD["contention"]),
            stolen=spread(work.stolen, SPREAD["stolen"]),
        ),
        fabric=replace(
            fabric,
            latency_s=spread(fabric.latency_s, machine.network_spread),
            node_bandwidth=spread(fabric.node_bandwidth, machine.network_spread),
        ),
    )


def _quantiles(prefix: str, name: str, draws: Any) -> dict[str, float]:
    low, middle, high = np.quantile(draws, LEVEL)
    return {name: float(middle), f"{prefix}_low": float(low), f"{prefix}_high": float(high)}


def _bottleneck(taken: Step) -> str:
    beside = {term: float(np.median(getattr(taken, term))) for term in TERMS if term != "compute_s"}
    largest = max(beside, key=beside.__getitem__)
    return largest.removesuffix("_s") if beside[largest] > 0 else "none"
