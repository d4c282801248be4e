"""What the cores of a rank can do at best: large matrix products, the yardstick of every step."""

from __future__ import annotations

import time
from collections.abc import Callable

import tensorflow as tf

from deepgalaxy.words import Device, Precision

EDGE = {Device.CPU: 2048, Device.GPU: 8192}
"""Rows and columns of the matrices: enough that caches and cores are busy."""

SECONDS = 0.5
"""Spent on timed products, at least `FEWEST` of them."""

FEWEST = 2


YARD_EDGE = 512
YARD_FLOATS = 2_000_000
"""A product of matrices and a pass over memory: two to six milliseconds of a core, half of it each."""


def yardstick() -> Callable[[], float]:
    """A fixed piece of arithmetic, ready to be timed: each call returns the seconds that it took.

    Always float32, whatever the run's precision: it measures the machine beside a step, and not the step.
    """
    matrix = tf.random.stateless_normal((YARD_EDGE, YARD_EDGE), seed=(1, 2))
    values = tf.random.stateless_normal((YARD_FLOATS,), seed=(3, 4))
    piece = tf.function(
        lambda a, b: tf.reduce_sum(tf.matmul(a, a)) + tf.reduce_sum(tf.sqrt(tf.abs(b))), autograph=False
    )

    def timed() -> float:
        began = time.perf_counter()
        float(piece(matrix, values))
        return time.perf_counter() - began

    timed()  # traced, and buffers made
    return timed


def gemm_flop_per_s(precision: Precision, device: Device) -> float:
    """Floating-point operations a second in the fastest of several products of square matrices.

    A multiply-add counts as two. In bfloat16 for both kinds of BF16.
    """
    edge = EDGE[device]
    dtype = tf.float32 if precision is Precision.FP32 else tf.bfloat16
    matrix = tf.cast(tf.random.stateless_normal((edge, edge), seed=(1, 2)), dtype)
    product = tf.function(lambda a: tf.reduce_sum(tf.matmul(a, a)), autograph=False)
    float(product(matrix))  # traced, and buffers made
    times: list[float] = []
    while len(times) < FEWEST or sum(times) < SECONDS:
        began = time.perf_counter()
        float(product(matrix))
        times.append(time.perf_counter() - began)
    return 2.0 * edge**3 / min(times)
