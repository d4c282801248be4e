"""Horovod: the only module that imports it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import horovod.tensorflow as hvd
import tensorflow as tf

BACKGROUND_NICENESS = 19


class HorovodRanks:
    """This process among the ranks that its launcher started; see `deepgalaxy.training.ranks.Ranks`."""

    def __init__(self) -> None:
        self.rank: int = hvd.rank()
        self.size: int = hvd.size()
        self.transport: str = "mpi" if hvd.mpi_enabled() else "gloo"

    def average(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Gradients averaged over all ranks; Horovod fuses them into few messages."""
        return [hvd.allreduce(g, op=hvd.Average, name=f"gradient_{i}") for i, g in enumerate(gradients)]

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """Give every rank the values of rank 0."""
        hvd.broadcast_variables([v for v in variables if v.dtype != tf.bfloat16], root_rank=0)
        # Horovod carries no bfloat16; Keras keeps some constants in it, exactly convertible.
        for variable in variables:
            if variable.dtype == tf.bfloat16:
                variable.assign(tf.cast(hvd.broadcast(tf.cast(variable, tf.float32), root_rank=0), tf.bfloat16))

    def wait_for_all(self) -> None:
        """Return when every rank has arrived."""
        hvd.allreduce(tf.zeros(()), name="wait_for_all")

    def leave(self) -> None:
        """End Horovod."""
        hvd.shutdown()


def connect(*, yielding: bool) -> HorovodRanks:
    """Join the other ranks.

    With `yielding`, the threads that Horovod and MPI start get the lowest priority: they poll
    while they wait, and on a rank bound to few cores they would take turns with the computation
    that they wait for.
    """
    before = _threads()
    hvd.init()
    if yielding:
        for thread in _threads() - before:
            os.setpriority(os.PRIO_PROCESS, thread, BACKGROUND_NICENESS)
    return HorovodRanks()


def _threads() -> set[int]:
    return {int(entry.name) for entry in Path("/proc/self/task").iterdir()}
