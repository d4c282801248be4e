"""What the input pipeline delivers when nothing computes, against plain reads of the same images."""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from deepgalaxy.data.batches import BatchPlan, split
from deepgalaxy.data.layout import Catalogue, read_catalogue
from deepgalaxy.data.pipeline import PREFETCHED_BATCHES, Batches
from deepgalaxy.errors import InputError
from deepgalaxy.spec import LOADING_BLOCK, RunSpec

READ_AHEAD = PREFETCHED_BATCHES + 1
"""Batches that a pipeline which is not asked may have ready or under way."""


def checked_catalogue(spec: RunSpec) -> Catalogue:
    """The catalogue of a run's file.

    Raises
    ------
    InputError: missing, damaged, or of another resolution
    """
    catalogue = read_catalogue(Path(spec.data))
    if catalogue.resolution != spec.resolution:
        raise InputError(f"{spec.data} holds images of {catalogue.resolution} pixels, {spec.resolution} were asked for")
    return catalogue


def measure_loading(
    spec: RunSpec, rank: int, report: Callable[[int, int, float], None], wait_for_all: Callable[[], None]
) -> tuple[list[float], list[float], list[float]]:
    """Seconds per batch of the pipeline, of plain reads of the same images by h5py, and of the warm-up.

    In turn, a block each, and every second time in the other order: what one leaves in the page
    cache the other finds. The pipeline runs as in training, started once; what it has read ahead while
    plain reads were timed is taken before its block is.

    report(batches done, of all, seconds of the last)
    """
    catalogue = checked_catalogue(spec)
    examples, _ = split(catalogue, spec.seed)
    plan = BatchPlan(len(examples), spec.batch_size, spec.workers, spec.seed, drop_remainder=True)
    file = h5py.File(catalogue.path, "r", rdcc_nbytes=0)  # in a small file, later epochs would come from its cache
    datasets = [file[s.dataset] for s in catalogue.sequences]
    batches = iter(Batches(catalogue, examples, plan, rank).dataset)
    times: dict[str, list[float]] = {"pipeline": [], "plain": []}

    def piped(_first: int, count: int) -> list[float]:
        return _timed(batches, count, untimed=READ_AHEAD)

    def plain(first: int, count: int) -> list[float]:
        return _timed((gathered(plan.batch(step, rank).indices) for step in itertools.count(first)), count)

    def gathered(indices: NDArray[np.int64]) -> NDArray[Any]:
        return np.stack([datasets[examples.sequence[i]][examples.frame[i]] for i in indices])

    warmup = _timed(batches, min(LOADING_BLOCK, spec.warmup_steps))
    warmup += plain(0, len(warmup))
    wait_for_all()
    first = len(warmup) // 2  # batches that the pipeline has delivered
    for number, done in enumerate(range(0, spec.steps, LOADING_BLOCK)):
        count = min(LOADING_BLOCK, spec.steps - done)
        turns = [("pipeline", piped), ("plain", plain)]
        for name, read in turns if number % 2 == 0 else turns[::-1]:
            times[name] += read(first + READ_AHEAD, count)
        first += READ_AHEAD + count
        report(done + count, spec.steps, times["pipeline"][-1])
    return times["pipeline"], times["plain"], warmup


def _timed(source: Iterator[Any], count: int, untimed: int = 0) -> list[float]:
    """Seconds to take each of `count` items after `untimed` ones; what earlier blocks left is cleared away before."""
    taken = []
    gc.collect()
    gc.disable()
    for _ in range(untimed):
        next(source)
    for _ in range(count):
        began = time.perf_counter()
        next(source)
        taken.append(time.perf_counter() - began)
    gc.enable()
    return taken
