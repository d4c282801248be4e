"""Horovod: the only module that imports it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import horovod.tensorflow as hvd
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy import runtime

ROW_BYTES = 64
"""What TensorFlow aligns tensors to: a part that begins and ends at a multiple of it needs no memory of its own."""


class HorovodRanks:
    """This process among the ranks that its launcher started; see `deepgalaxy.training.ranks.Ranks`."""

    def __init__(self, *, fp16: bool) -> None:
        self.rank: int = hvd.rank()
        self.size: int = hvd.size()
        self._compression = hvd.Compression.fp16 if fp16 else hvd.Compression.none
        self.transport: str = "mpi" if hvd.mpi_enabled() else "gloo"

    def sum(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Gradients summed over all ranks, in messages of several as `deepgalaxy.runtime` says."""
        totals = list(gradients)
        for number, bucket in enumerate(buckets(gradients, runtime.bucket_bytes(), runtime.lone_bytes())):
            summed = self._summed([gradients[i] for i in bucket], f"gradients_{number}")
            for i, total in zip(bucket, summed, strict=True):
                totals[i] = total
        return totals

    def _summed(self, bucket: Sequence[tf.Tensor], name: str) -> list[tf.Tensor]:
        """Sums of gradients that travel as one."""
        rows = [_rows(g) for g in bucket] if len(bucket) > 1 else []
        joined = tf.concat(rows, 0) if rows else bucket[0]
        total = hvd.allreduce(joined, op=hvd.Sum, name=name, compression=self._compression)
        if not rows:
            return [total]
        parts = tf.split(total, [r.shape[0] for r in rows])
        return [_without_padding(part, g.shape) for part, g in zip(parts, bucket, strict=True)]

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """Give every rank the values of rank 0."""
        hvd.broadcast_variables([v for v in variables if v.dtype != tf.bfloat16], root_rank=0)
        # Horovod carries no bfloat16; Keras keeps some constants in it, exactly convertible.
        for variable in variables:
            if variable.dtype == tf.bfloat16:
                variable.assign(tf.cast(hvd.broadcast(tf.cast(variable, tf.float32), root_rank=0), tf.bfloat16))

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over all ranks, (N,)."""
        summed: NDArray[np.float64] = hvd.allreduce(tf.constant(values, tf.float64), op=hvd.Sum, name="total").numpy()
        return summed

    def share(self, text: str) -> str:
        """The text of rank 0."""
        mine = np.frombuffer(text.encode(), np.uint8)
        length = int(hvd.broadcast(tf.constant(len(mine)), root_rank=0, name="share_length"))
        sent = mine if self.rank == 0 else np.zeros(length, np.uint8)
        return bytes(hvd.broadcast(tf.constant(sent), root_rank=0, name="share").numpy()).decode()

    def wait_for_all(self) -> None:
        """Return when every rank has arrived."""
        hvd.allreduce(tf.zeros(()), name="wait_for_all")

    @contextmanager
    def timeline(self, path: Path) -> Iterator[None]:
        """Keep Horovod's own timeline of what is done meanwhile; needs `connect(timeline=True)`."""
        hvd.start_timeline(str(path))
        try:
            yield
        finally:
            hvd.stop_timeline()

    def leave(self) -> None:
        """End Horovod."""
        hvd.shutdown()


def buckets(gradients: Sequence[tf.Tensor], size_bytes: float, lone_bytes: float = math.inf) -> list[list[int]]:
    """Which gradients travel together, by their places in the list.

    Neighbours of one type until they have `size_bytes`: they become ready one soon after the other. A gradient of
    `lone_bytes` or more is a message by itself, and the others are joined past it.
    """
    found: list[list[int]] = []
    joined: list[int] = []
    room = 0.0
    for i, gradient in enumerate(gradients):
        own_bytes = gradient.shape.num_elements() * gradient.dtype.size
        if own_bytes >= lone_bytes:
            found.append([i])
            continue
        if room <= 0 or gradient.dtype != gradients[joined[-1]].dtype:
            found.append(joined := [])
            room = size_bytes
        joined.append(i)
        room -= own_bytes
    return found


def _rows(gradient: tf.Tensor) -> tf.Tensor:
    """As rows of `ROW_BYTES`, filled up with zeros: whole rows are taken out of a message without a copy.

    In as few operations as can be: a network has hundreds of gradients, and each operation takes a microsecond.
    """
    width = ROW_BYTES // gradient.dtype.size
    short = -gradient.shape.num_elements() % width
    filled = tf.pad(tf.reshape(gradient, [-1]), [[0, short]]) if short else gradient
    return tf.reshape(filled, [-1, width])


def _without_padding(rows: tf.Tensor, shape: tf.TensorShape) -> tf.Tensor:
    count = shape.num_elements()
    own = rows if rows.shape.num_elements() == count else tf.reshape(rows, [-1])[:count]
    return tf.reshape(own, shape)


def connect(*, yielding: bool, fp16: bool = False, timeline: bool = False) -> HorovodRanks:
    """Join the other ranks.

    With `yielding`, the threads that Horovod and MPI start get the priority that `deepgalaxy.runtime` says, where all
    ranks are on one node: they poll while they wait, on cores that compute. With `fp16` gradients travel as 16-bit
    numbers. With `timeline` one can be kept later.
    """
    if timeline:
        os.environ["HOROVOD_TIMELINE"] = "DYNAMIC"
    before = _threads()
    hvd.init()
    if yielding and hvd.local_size() == hvd.size():
        for thread in _threads() - before:
            os.setpriority(os.PRIO_PROCESS, thread, runtime.niceness())
    return HorovodRanks(fp16=fp16)


def plain_tape(tape: tf.GradientTape) -> tf.GradientTape:
    """Horovod's own tape, whose gradients are averaged over all ranks, at its defaults."""
    return hvd.DistributedGradientTape(tape)


def broadcast_plainly(variables: Sequence[tf.Variable]) -> None:
    """Horovod's own broadcast from rank 0, at its defaults; also within a `tf.function`."""
    hvd.broadcast_variables(variables, root_rank=0)


def keras_way(optimizer: tf.keras.optimizers.Optimizer) -> tuple[tf.keras.optimizers.Optimizer, list[Any]]:
    """Horovod's wrapper around a Keras optimizer and the callbacks its documentation asks for, at their defaults."""
    import horovod.tensorflow.keras as keras_hvd

    return keras_hvd.DistributedOptimizer(optimizer), [keras_hvd.callbacks.BroadcastGlobalVariablesCallback(0)]


def _threads() -> set[int]:
    return {int(entry.name) for entry in Path("/proc/self/task").iterdir()}
