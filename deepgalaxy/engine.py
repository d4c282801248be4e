"""Load TensorFlow with the kernels that were asked for: stock, or the Intel extension's."""

from __future__ import annotations

import importlib
import os
from collections.abc import Collection
from types import ModuleType
from unittest import mock

from deepgalaxy import probe
from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.spec import Engine, Precision

PLUGIN_FOLDER = "tensorflow-plugins"


def load_tensorflow(engine: Engine, threads: int | None) -> ModuleType:
    """Import TensorFlow with `engine`, computing on `threads` threads (None: its own choice).

    An installed extension loads itself with TensorFlow. For the stock engine its folder is
    hidden while TensorFlow looks for plug-ins, so that one environment serves both.

    Raises
    ------
    InputError: the extension was asked for and isn't installed
    """
    # Its errors come as exceptions; what it prints beside them at import is about GPU libraries.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    exists = os.path.exists
    hidden = PLUGIN_FOLDER if engine is Engine.TENSORFLOW else "\0"
    with mock.patch("os.path.exists", lambda path: not str(path).endswith(hidden) and exists(path)):
        tf = importlib.import_module("tensorflow")
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
        tf.config.threading.set_inter_op_parallelism_threads(1)
    return tf


def set_precision(tf: ModuleType, precision: Precision) -> None:
    """Compute in `precision` from here on; variables stay float32."""
    policy = {Precision.FP32: "float32", Precision.BF16: "mixed_bfloat16"}[precision]
    tf.keras.mixed_precision.set_global_policy(policy)


def require_precision(precision: Precision, ran: Collection[str]) -> None:
    """See to it that a graph that computes in the types `ran` has the precision that was asked for.

    Raises
    ------
    BadResultError: it has not
    """
    wanted = {Precision.FP32: "float32", Precision.BF16: "bfloat16"}[precision]
    # The last product, to the class probabilities, stays float32 in both precisions.
    if not ran or not set(ran) <= {wanted, "float32"} or wanted not in ran:
        raise BadResultError(f"precision {precision.value} was asked for, the graph computes in {sorted(ran)}")


def compute_dtypes(graph_def: object) -> set[str]:
    """Data types of all convolutions and matrix products in a graph and its functions."""
    from tensorflow import dtypes

    functions = graph_def.library.function  # type: ignore[attr-defined]
    nodes = [*graph_def.node, *(n for f in functions for n in f.node_def)]  # type: ignore[attr-defined]
    return {
        dtypes.as_dtype(n.attr["T"].type).name
        for n in nodes
        if n.op.startswith(("Conv2D", "DepthwiseConv2dNative", "MatMul"))
    }
