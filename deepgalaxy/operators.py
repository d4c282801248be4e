"""What a step's time goes to, operator by operator, from TensorFlow's own profiler.

Arithmetic and bytes follow from the shapes of the graph that ran. Bytes are what an operator must at least read and
write, its inputs and outputs once each: what caches keep makes the rate look higher than the memory's, and what an
operator goes through several times makes it look lower.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from deepgalaxy.record import OperatorCost

PICOSECOND = 1e-12

EVENT = re.compile(r"(?P<node>[^\s:]+):(?P<kind>[A-Za-z_]\w*)")
"""Of an operator, in the profiler's host plane: node and type."""

ENGINES_PREFIXES = ("_MklNative", "_Mkl", "_Itex", "_Fused", "_OneDnn")
"""What engines put before the name of an operation that they do themselves."""

OTHER_INPUTS = {"ReadVariableOp": 0, "AssignVariableOp": 1}

Shape = tuple[int, ...]


class Node(NamedTuple):
    """An operation of a graph that ran: its type and the names of its inputs; a constant has a shape."""

    kind: str
    inputs: tuple[str, ...]
    shape: Shape | None = None
    width: int = 4


def nodes_of(graphs: Iterable[Any]) -> dict[str, Node]:
    """All operations of graphs (GraphDef), functions included, by name."""
    found: dict[str, Node] = {}
    for graph in graphs:
        for node in (*graph.node, *(n for f in graph.library.function for n in f.node_def)):
            constant = node.attr["value"].tensor if node.op == "Const" else None
            shape = tuple(d.size for d in constant.tensor_shape.dim) if constant else None
            inputs = tuple(name for name in node.input if not name.startswith("^"))
            found[node.name] = Node(node.op, inputs, shape, tf.dtypes.as_dtype(constant.dtype).size if constant else 4)
    return found


def measure_operators(
    step: Callable[[], Any], steps: int, traced: tf.Graph, ran: Mapping[str, Node]
) -> list[OperatorCost]:
    """Run `step` so many times under the profiler; one row an operator type, the longest first, of one step.

    traced: the step's graph, whose shapes are known; ran: what TensorFlow made of it (`nodes_of`)
    """
    folder = Path(tempfile.mkdtemp(prefix="operators-"))
    try:
        options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2, python_tracer_level=0)
        with tf.profiler.experimental.Profile(str(folder), options=options):
            for _ in range(steps):
                step()
        seconds = _seconds_by_node(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    shapes = _Shapes(traced, ran)
    rows: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0, 0.0])
    for (name, kind), (count, taken) in seconds.items():
        flop, size = shapes.cost(name, kind)
        row = rows[kind]
        for i, value in enumerate((count, taken, count * flop, count * size)):
            row[i] += value / steps
    found = [
        OperatorCost(operator=kind, count=count, time_s=taken, flop=flop, bytes_moved=size)
        for kind, (count, taken, flop, size) in rows.items()
    ]
    return sorted(found, key=lambda cost: -cost.time_s)


def plain_name(kind: str) -> str:
    """An operation's type without what an engine has put before it."""
    for prefix in ENGINES_PREFIXES:
        kind = kind.removeprefix(prefix)
    return kind


def flop_of(kind: str, inputs: Sequence[Shape | None], output: Shape | None) -> float:
    """Operations of a convolution or matrix product, a multiply-add counting as two; 0 for all else.

    inputs, output: shapes, None where they are not known. Of a convolution's gradients the first or second input
    is a shape vector, and the filter's shape that of the second input or of the output.
    """
    name = plain_name(kind)
    if name.startswith("MatMul") and output and inputs and inputs[0]:
        return 2.0 * float(np.prod(output)) * float(np.prod(inputs[0])) / output[0]
    if "Conv2" not in name:
        return 0.0
    if "BackpropFilter" in name:
        grown, kernel = _at(inputs, 2), output
    elif "BackpropInput" in name:
        grown, kernel = _at(inputs, 2), _at(inputs, 1)
    else:
        grown, kernel = output, _at(inputs, 1)
    if not grown or not kernel or len(kernel) != 4:
        return 0.0
    depth = 1 if name.startswith("Depthwise") else kernel[2]
    return 2.0 * float(np.prod(grown)) * kernel[0] * kernel[1] * depth


def _at(shapes: Sequence[Shape | None], number: int) -> Shape | None:
    return shapes[number] if number < len(shapes) else None


class _Shapes:
    """Shapes of what operations take and give, as far as the traced graph and constants tell."""

    def __init__(self, traced: tf.Graph, ran: Mapping[str, Node]) -> None:
        self._traced = {op.name: op for op in traced.get_operations()}
        self._ran = ran

    def cost(self, name: str, kind: str) -> tuple[float, float]:
        """Operations and bytes of one run of a node; 0 where they are not known."""
        outputs = self._outputs(name)
        node = self._ran.get(name)
        names = node.inputs if node else ()
        inputs = [self._input(text) for text in names]
        flop = flop_of(kind, [shape for shape, _ in inputs], outputs[0][0] if outputs else None)
        moved = sum(float(np.prod(shape)) * width for shape, width in (*inputs, *outputs) if shape is not None)
        return flop, moved if outputs else 0.0

    def _outputs(self, name: str) -> list[tuple[Shape | None, int]]:
        if name not in self._traced:
            return []
        return [_known(tensor) for tensor in self._traced[name].outputs]

    def _input(self, text: str) -> tuple[Shape | None, int]:
        name, *rest = text.split(":")
        node = self._ran.get(name)
        if node and node.shape is not None:
            return node.shape, node.width
        outputs = self._outputs(name)
        number = int(rest[-1]) if rest and rest[-1].isdigit() else 0
        return outputs[number] if number < len(outputs) else (None, 0)


def _known(tensor: tf.Tensor) -> tuple[Shape | None, int]:
    if tensor.dtype in (tf.resource, tf.variant, tf.string) or not tensor.shape.is_fully_defined():
        return None, 0
    return tuple(tensor.shape.as_list()), tensor.dtype.size


def _seconds_by_node(folder: Path) -> dict[tuple[str, str], tuple[int, float]]:
    """Runs and seconds of every node by name and type."""
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for name, kind, seconds in _events(folder):
        count, so_far = found.get((name, kind), (0, 0.0))
        found[name, kind] = count + 1, so_far + seconds
    return found


def _events(folder: Path) -> Iterator[tuple[str, str, float]]:
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    for path in folder.rglob("*.xplane.pb"):
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
        for plane in space.planes:
            for line in plane.lines if plane.name.startswith("/host:CPU") else ():
                for event in line.events:
                    match = EVENT.fullmatch(plane.event_metadata[event.metadata_id].name)
                    if match:
                        yield match["node"], match["kind"], event.duration_ps * PICOSECOND
