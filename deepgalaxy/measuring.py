"""What a rank does to measure a point, once it is connected: load, or train or predict step by step.

Each function gives the fields of the rank's record that are its own. TensorFlow is imported within them: it must be
set up first (`deepgalaxy.engine`).
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from deepgalaxy import probe
from deepgalaxy.errors import BadResultError
from deepgalaxy.journal import Journal
from deepgalaxy.spec import RunSpec
from deepgalaxy.turns import Turns
from deepgalaxy.words import Mode

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks
    from deepgalaxy.workload import Workload


def load(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Ask for batches and do nothing with them."""
    from deepgalaxy.loading import measure_loading  # imports TensorFlow, so only after it is set up

    piped, plain, warmup = measure_loading(spec, ranks.rank, journal.step, ranks.wait_for_all)
    journal.phase("measure")
    return {
        "step_time_s": piped,
        "data_wait_s": piped,
        "warmup_step_time_s": warmup,
        "plain_read_time_s": plain,
        "loss": [],
        "parameters": 0,
        "gradient_bytes": 0,
        "checks": {"ranks": str(ranks.size), "transport": ranks.transport},
    }


def compute(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Build, trace, check and measure training or inference."""
    from deepgalaxy.workload import prepare  # imports TensorFlow, so only after it is set up

    work = prepare(spec, ranks)
    journal.phase("build")
    work.trace()
    shape = (spec.batch_size, spec.resolution, spec.resolution, 1)
    if work.input_shape != shape:
        raise BadResultError(f"batches of shape {shape} were asked for, the graph takes {work.input_shape}")
    journal.phase("trace")
    batches = iter(work.batches)
    measured = _measure(spec, work, batches, ranks, journal)
    return {
        **measured,
        **_afterwards(spec, work, batches, ranks, journal),
        "answers": work.answers() if ranks.rank == 0 else None,
        "parameters": work.parameters,
        "gradient_bytes": work.gradient_bytes,
        "checks": {
            "products": " ".join(f"{name}:{count}" for name, count in sorted(work.products.items())),
            "input_shape": str(shape),
            "engine": spec.engine.value,
            "ranks": str(ranks.size),
            "transport": ranks.transport,
        },
    }


def _afterwards(
    spec: RunSpec, work: Workload, batches: Iterator[Any], ranks: Ranks, journal: Journal
) -> dict[str, Any]:
    """What explains the measured steps, once they are done: where their time goes, what the cores can do at best."""
    from deepgalaxy.peak import gemm_flop_per_s
    from deepgalaxy.training.split import measure_split
    from deepgalaxy.training.timeline import exchange_s

    found: dict[str, Any] = {"flop_per_image": work.flop_per_image}
    if spec.timeline:
        found["exchange_s"] = exchange_s(journal.timeline, spec.steps)
    if spec.split_steps:
        found["split"] = measure_split(work.kinds(), batches, spec.split_steps, ranks.wait_for_all)
        journal.phase("split")
    if spec.operator_steps:
        found["operators"] = work.operators(batches, spec.operator_steps) if ranks.rank == 0 else []
        for _ in range(spec.operator_steps if ranks.rank else 0):
            work.step(*next(batches))
        journal.phase("operators")
    ranks.wait_for_all()
    found["gemm_flop_per_s"] = gemm_flop_per_s(spec.precision, spec.device)
    journal.phase("yardstick")
    return found


def _yardstick(spec: RunSpec) -> Callable[[], float] | None:
    from deepgalaxy.peak import yardstick

    return yardstick() if spec.yardstick else None


def _measure(spec: RunSpec, work: Workload, batches: Iterator[Any], ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Warm-up steps, then the measured ones, every one with its batch, and raw."""
    total = spec.warmup_steps + spec.steps
    step_times: list[float] = []
    waits: list[float] = []
    values: list[float] = []
    yardsticks: list[float] = []
    yardstick = _yardstick(spec)
    turns = Turns(journal.folder, spec)
    during = ExitStack()
    slowdown = float(os.environ.get(probe.SLOWDOWN, 0))
    gc.collect()
    gc.disable()  # a collection in mid-step would be a straggler of our own making
    ended = time.perf_counter()
    for number in range(total):
        if number == 1:
            journal.phase("first_step")
        if number == spec.warmup_steps:
            ranks.wait_for_all()
            if spec.timeline:
                during.enter_context(ranks.timeline(journal.timeline))
            ended = time.perf_counter()
        began = ended  # no gap between steps: what this loop costs counts as well
        batch = next(batches)
        waited = time.perf_counter()
        values.append(work.step(*batch))
        if spec.meet:
            ranks.wait_for_all()
        until = time.perf_counter() + slowdown * (time.perf_counter() - began)
        while time.perf_counter() < until:
            pass  # a core that sleeps instead comes back slowly, and loses several times as much as was asked for
        journal.step(number + 1, total, time.perf_counter() - began)
        ended = time.perf_counter()
        step_times.append(ended - began)
        waits.append(waited - began)
        if yardstick:
            yardsticks.append(yardstick())
        turns.wait(number + 1)
        if yardstick or turns.taken:
            ended = time.perf_counter()
    during.close()
    gc.enable()
    journal.phase("measure")
    work.check_values(values)
    w = spec.warmup_steps
    return {
        "step_time_s": step_times[w:],
        "data_wait_s": waits[w:],
        "warmup_step_time_s": step_times[:w],
        "yardstick_time_s": yardsticks[w:],
        "loss": values if spec.mode is Mode.TRAIN else [],
    }
