"""How long sums over all ranks take, by message size: by Horovod as in training, and by MPI alone; and what they cost.

For `dgbench calibrate`: what a projection must know of a machine's network beside its training step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from deepgalaxy.record import ExchangeTimes

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks

MESSAGE_BYTES = (4, 1 << 12, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24)

TENSORS = 8
"""That a message of Horovod's is made of: so it is fused, as gradients are."""

LONGEST_ROUND_S = 1.0
"""Larger messages than one that took so long are left out."""

PRODUCT_EDGE = 256
"""Of the matrices whose products stand for computing: some tenths of a millisecond each."""


def measure_exchanges(ranks: Ranks, rounds: int) -> list[ExchangeTimes]:
    """Times of `rounds` sums of each size by each way, all ranks beginning together; every rank must call it."""
    ways: dict[str, Callable[[int], Callable[[], Any]]] = {"horovod": lambda size: _by_horovod(ranks, size)}
    if ranks.transport == "mpi":
        ways["mpi"] = _by_mpi
    found = []
    for way, prepared in ways.items():
        for size in MESSAGE_BYTES:
            exchange = prepared(size)
            exchange()  # Horovod agrees on new tensors once
            times = [_timed(ranks, exchange) for _ in range(rounds)]
            found.append(ExchangeTimes(way=way, message_bytes=size, time_s=times))
            if ranks.total(np.array([np.mean(times)]))[0] / ranks.size > LONGEST_ROUND_S:
                break
    return found


def _timed(ranks: Ranks, exchange: Callable[[], Any]) -> float:
    ranks.wait_for_all()
    began = time.perf_counter()
    exchange()
    return time.perf_counter() - began


def _by_horovod(ranks: Ranks, size: int) -> Callable[[], Any]:
    count = TENSORS if size >= 4 * TENSORS else 1
    tensors = [tf.ones((size // 4 // count,)) for _ in range(count)]
    summed = tf.function(lambda: ranks.sum(tensors), autograph=False)
    return lambda: [total.numpy() for total in summed()]


def _by_mpi(size: int) -> Callable[[], Any]:
    import mpi4py

    mpi4py.rc.initialize = mpi4py.rc.finalize = False  # Horovod has started MPI, and ends it
    from mpi4py import MPI

    sent, received = np.ones(size // 4, np.float32), np.empty(size // 4, np.float32)
    return lambda: MPI.COMM_WORLD.Allreduce(sent, received)


def computing_lost(ranks: Ranks, rounds: int) -> float:
    """Share of a rank's computing that an exchange takes from it while it goes on, at least 0.

    Products of small matrices are counted while a thread sums the largest message `rounds` times, and as long
    without it.
    """
    matrix = tf.random.stateless_normal((PRODUCT_EDGE, PRODUCT_EDGE), (0, 0))
    product = tf.function(lambda: tf.linalg.matmul(matrix, matrix), autograph=False)
    exchange = _by_horovod(ranks, MESSAGE_BYTES[-2])
    exchange()
    product()
    ranks.wait_for_all()
    running = threading.Thread(target=lambda: [exchange() for _ in range(rounds)])
    began, done = time.perf_counter(), 0
    running.start()
    while running.is_alive():
        product().numpy()
        done += 1
    beside = done / (time.perf_counter() - began)
    running.join()
    ranks.wait_for_all()
    began = time.perf_counter()
    for _ in range(done):
        product().numpy()
    alone = done / (time.perf_counter() - began)
    return max(0.0, 1 - beside / alone)
