"""Load TensorFlow with the kernels that were asked for: stock, or the Intel extension's."""

from __future__ import annotations

import importlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest import mock

from deepgalaxy import probe, runtime
from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.words import Device, Engine, Precision

PLUGIN_FOLDER = "tensorflow-plugins"

PRODUCTS = ("Conv2D", "DepthwiseConv2dNative", "MatMul")
"""What the names of all operations have in them that multiply and add, fused or not, of either engine."""

LEAST_SHARE = 0.75
"""Of the products that must have run in the precision asked for."""


def load_tensorflow(engine: Engine, precision: Precision, threads: int | None) -> ModuleType:
    """Import TensorFlow with `engine`, computing in `precision` on `threads` threads (None: its own choice).

    Variables stay float32 in every precision.

    An installed extension loads itself with TensorFlow. For the stock engine its folder is
    hidden while TensorFlow looks for plug-ins, so that one environment serves both.

    Raises
    ------
    InputError: the extension was asked for and isn't installed
    """
    # Its errors come as exceptions; what it prints beside them at import is about GPU libraries.
    for package in ("TF", "ITEX"):
        os.environ.setdefault(f"{package}_CPP_MIN_LOG_LEVEL", "3")
    if precision is Precision.BF16_AMP:
        os.environ |= {"ITEX_AUTO_MIXED_PRECISION": "1", "ITEX_AUTO_MIXED_PRECISION_DATA_TYPE": "BFLOAT16"}
    exists = os.path.exists
    hidden = PLUGIN_FOLDER if engine is Engine.TENSORFLOW else "\0"
    seen = mock.patch("os.path.exists", lambda path: not str(path).endswith(hidden) and exists(path))
    with seen, _without_pandas():
        tf = importlib.import_module("tensorflow")
        importlib.import_module("keras")  # which TensorFlow would load at its first use
    loaded = any(name.startswith("libitex") for name in probe.loaded_libraries())
    if loaded != (engine is Engine.ITEX):
        raise InputError(
            "engine itex was asked for, and intel-extension-for-tensorflow[cpu] is not installed"
            if engine is Engine.ITEX
            else "engine tensorflow was asked for, and the Intel extension is loaded all the same"
        )
    tf.get_logger().setLevel("ERROR")  # no advice on how to migrate from TensorFlow 1
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(runtime.inter_threads())
    if precision is Precision.BF16:
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    return tf


@contextmanager
def _without_pandas() -> Iterator[None]:
    """Keras loads pandas if it can, to take data frames: half a second and 60 MB a rank that no rank has a use for."""
    if any(name in sys.modules for name in ("pandas", "tensorflow")):
        yield
        return
    sys.modules["pandas"] = None  # type: ignore[assignment]  # Python's sign for: not there
    try:
        yield
    finally:
        del sys.modules["pandas"]


def place(tf: ModuleType, device: Device, engine: Engine, local_rank: int) -> None:
    """Compute on the cores alone, or on the GPU whose number is the rank's among those of its node.

    Memory of a GPU is taken as it is needed, so that its peak says something.

    Raises
    ------
    InputError: fewer GPUs than ranks on the node
    """
    kind = "XPU" if engine is Engine.ITEX else "GPU"  # Intel's extension calls Intel's GPUs so
    found = tf.config.list_physical_devices(kind)
    if device is Device.CPU:
        tf.config.set_visible_devices([], kind)
        return
    if local_rank >= len(found):
        raise InputError(
            f"device gpu was asked for, rank {local_rank} of this node has none: TensorFlow sees {len(found)} {kind}s"
        )
    tf.config.set_visible_devices(found[local_rank], kind)
    tf.config.experimental.set_memory_growth(found[local_rank], True)


def peak_device_bytes(tf: ModuleType, device: Device, engine: Engine) -> int:
    """Most memory that this rank had on its GPU; 0 without one."""
    if device is Device.CPU:
        return 0
    return int(tf.config.experimental.get_memory_info("XPU:0" if engine is Engine.ITEX else "GPU:0")["peak"])


@contextmanager
def executed_products(keep: Callable[[Iterable[Any]], None] | None = None) -> Iterator[Counter[str]]:
    """Counts convolutions and matrix products by data type, in the graphs that first run inside this context.

    keep: is given the graphs themselves

    In the graphs as they run: what TensorFlow and the extension have made of the traced ones. Filled when the
    context ends. The graphs are copied for it, constants and all, which takes memory for that long.
    """
    from tensorflow import dtypes
    from tensorflow.python.eager import context

    found: Counter[str] = Counter()
    with context.collect_graphs(optimized=True) as graphs:
        yield found
    if keep:
        keep(graphs)
    for graph in graphs:
        for node in (*graph.node, *(n for f in graph.library.function for n in f.node_def)):
            if any(product in node.op for product in PRODUCTS) and node.attr["T"].type:
                found[dtypes.as_dtype(node.attr["T"].type).name] += 1


def require_precision(precision: Precision, ran: Mapping[str, int]) -> None:
    """See to it that products in the data types `ran` are what was asked for.

    Raises
    ------
    BadResultError: they are not
    """
    wanted = "float32" if precision is Precision.FP32 else "bfloat16"
    # The last product, to the class probabilities, stays float32 in every precision.
    if ran.get(wanted, 0) < LEAST_SHARE * max(1, sum(ran.values())):
        told = ", ".join(f"{count} in {name}" for name, count in sorted(ran.items())) or "none"
        raise BadResultError(
            f"precision {precision.value} was asked for; convolutions and matrix products that ran: {told}"
        )
