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
from deepgalaxy.data.pipeline import Batches
from deepgalaxy.errors import InputError
from deepgalaxy.spec import LOADING_BLOCK, RunSpec


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
    cache the other finds. The pipeline starts anew in each block and delivers no batch more.

    report(batches done, of all, seconds of the last)
    """
    catalogue = checked_catalogue(spec)
    examples, _ = split(catalogue, spec.seed)
    plan = BatchPlan(len(examples), spec.batch_size, spec.workers, spec.seed, drop_remainder=True)
    file = h5py.File(catalogue.path, "r", rdcc_nbytes=0)  # in a small file, later epochs would come from its cache
    datasets = [file[s.dataset] for s in catalogue.sequences]
    times: dict[str, list[float]] = {"pipeline": [], "plain": [], "warm-up": []}

    def piped(first: int, count: int) -> list[float]:
        batches = Batches(catalogue, examples, plan, rank, first)
        return _timed(iter(batches.dataset.take(count)), count)

    def plain(first: int, count: int) -> list[float]:
        return _timed((gathered(plan.batch(step, rank).indices) for step in itertools.count(first)), count)

    def gathered(indices: NDArray[np.int64]) -> NDArray[Any]:
        return np.stack([datasets[examples.sequence[i]][examples.frame[i]] for i in indices])

    times["warm-up"] += piped(0, min(LOADING_BLOCK, spec.warmup_steps)) + plain(
        0, min(LOADING_BLOCK, spec.warmup_steps)
    )
    wait_for_all()
    for number, first in enumerate(range(0, spec.steps, LOADING_BLOCK)):
        count = min(LOADING_BLOCK, spec.steps - first)
        turns = [("pipeline", piped), ("plain", plain)]
        for name, read in turns if number % 2 == 0 else turns[::-1]:
            times[name] += read(first, count)
        report(first + count, spec.steps, times["pipeline"][-1])
    return times["pipeline"], times["plain"], times["warm-up"]


def _timed(source: Iterator[Any], count: int) -> list[float]:
    """Seconds to take each of `count` items; what earlier blocks left behind is cleared away before."""
    taken = []
    gc.collect()
    gc.disable()
    for _ in range(count):
        began = time.perf_counter()
        next(source)
        taken.append(time.perf_counter() - began)
    gc.enable()
    return taken
