"""Memory of feature maps: what a graph's operations keep alive at once, from the shapes and uses of its tensors.

A classical liveness analysis: the operations run in the order in which they were made (the forward pass, then the
backward one), a tensor lives from the operation that makes it to the last one that reads it. Operations that only look
at their input, or that TensorFlow lets write into an input which nobody needs any more, take no memory of their own.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

VIEWS = frozenset(("Identity", "Reshape", "Squeeze", "ExpandDims", "StopGradient", "ReadVariableOp", "IdentityN"))
"""Operations whose output is their input's memory."""

IN_PLACE = frozenset(
    ("AddV2", "AddN", "BiasAdd", "Mul", "Sub", "RealDiv", "Neg", "Square", "Exp", "Sigmoid", "Tanh", "Erf", "Rsqrt")
    + ("Relu", "Relu6", "ReluGrad", "Relu6Grad", "SigmoidGrad", "TanhGrad", "FusedBatchNormV3", "LeakyRelu")
)
"""Operations that write into an input of the same size and type where it is not needed afterwards."""

BATCH = 17
"""Images in the graphs that are looked at: no weight has this number as a dimension, which tells maps from weights."""

Buffer = tuple[str, int]


def live_bytes_per_image(graph: tf.Graph) -> int:
    """Most bytes of feature maps that are alive at once, for each of the `BATCH` images of a graph.

    Constants, weights and their gradients don't count: they have no dimension of images.
    """
    operations = graph.get_operations()
    owner = _owners(operations)
    last = {owner[t.ref()]: i for i, op in enumerate(operations) for t in op.inputs if t.ref() in owner}
    alive: dict[Buffer, int] = {}
    now = most = 0
    for i, op in enumerate(operations):
        read = {owner[t.ref()] for t in op.inputs if t.ref() in owner}
        for number, tensor in enumerate(op.outputs if op.type not in VIEWS else ()):
            size = _map_bytes(tensor)
            free = next((b for b in read if last[b] == i and alive.get(b) == size), None)
            if size and op.type in IN_PLACE and free is not None:
                now -= alive.pop(free)
            if size:
                alive[(op.name, number)] = size
                now += size
        most = max(most, now)
        ended = [b for b in (*read, *((op.name, n) for n in range(len(op.outputs)))) if last.get(b, i) <= i]
        now -= sum(alive.pop(b, 0) for b in ended)
    return most // BATCH


def _owners(operations: list[Any]) -> dict[Any, Buffer]:
    """For each tensor, the output whose memory it is."""
    owner: dict[Any, Buffer] = {}
    for op in operations:
        for number, tensor in enumerate(op.outputs):
            source = op.inputs[number] if op.type in VIEWS and number < len(op.inputs) else None
            owner[tensor.ref()] = owner[source.ref()] if source is not None else (op.name, number)
    return owner


def _map_bytes(tensor: tf.Tensor) -> int:
    """Size of a tensor that has one part for each image; 0 for all others."""
    shape = tensor.shape
    if shape.rank is None or shape.rank < 1 or shape[0] != BATCH or not shape.is_fully_defined():
        return 0
    return int(shape.num_elements() * tensor.dtype.size)
