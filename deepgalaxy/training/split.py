"""Where a training step's time goes: steps with all of it, without the exchange, and without the update, in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from deepgalaxy.record import StepSplit


class Kinds(NamedTuple):
    """Three steps of the same batch: all of it, without the exchange, forward and backward pass alone.

    Each takes a batch and returns when its result is known.
    """

    whole: Callable[..., float]
    alone: Callable[..., float]
    compute: Callable[..., float]


def measure_split(kinds: Kinds, batches: Iterator[Any], steps: int, wait_for_all: Callable[[], None]) -> StepSplit:
    """`steps` steps of each kind, interleaved, so that whatever slows the machine slows them all.

    Ranks begin each step together: else the ones that ran ahead without an exchange would wait in the next
    whole step, and that would look like communication. The weights of the ranks drift apart meanwhile, so this
    comes after everything that is measured.
    """
    for step in kinds:
        step(*next(batches))  # traces, and finds its memory
    times: tuple[list[float], ...] = ([], [], [])
    for _ in range(steps):
        for step, taken in zip(kinds, times, strict=True):
            batch = next(batches)
            wait_for_all()
            began = time.perf_counter()
            step(*batch)
            taken.append(time.perf_counter() - began)
    return StepSplit(whole_s=times[0], alone_s=times[1], compute_s=times[2])
