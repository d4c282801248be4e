"""The words that specs, records, commands and tables share: closed lists of names, as they are written in files."""

from __future__ import annotations

from enum import Enum


class Mode(str, Enum):
    """What a run does with its images; `load` only asks for them, and has no network."""

    TRAIN = "train"
    INFER = "infer"
    LOAD = "load"


class Precision(str, Enum):
    """Arithmetic of convolutions and matrix products; variables stay float32 in all.

    bf16 is Keras's mixed_bfloat16 policy, bf16-amp the Intel extension's automatic mixed precision,
    which rewrites the graph of a float32 network as it is made ready to run.
    """

    FP32 = "fp32"
    BF16 = "bf16"
    BF16_AMP = "bf16-amp"


class Engine(str, Enum):
    """Which kernels run: stock TensorFlow, or the Intel extension loaded into it."""

    TENSORFLOW = "tensorflow"
    ITEX = "itex"


class Device(str, Enum):
    """What a rank computes on: its cores, or one GPU."""

    CPU = "cpu"
    GPU = "gpu"


class Runtime(str, Enum):
    """How a rank's process is set up: as its libraries do by default, or bound, threaded and yielding by us."""

    STOCK = "stock"
    TUNED = "tuned"


class Trainer(str, Enum):
    """Whose training a run is: this suite's, or another way that a user could take with the same network.

    horovod-tape is the way of Horovod's synthetic benchmark, keras-fit that of the original DeepGalaxy.
    """

    SUITE = "suite"
    HOROVOD_TAPE = "horovod-tape"
    KERAS_FIT = "keras-fit"


class Compute(str, Enum):
    """Whether a rank computes, or waits as long as computing would take and exchanges real gradients all the same."""

    REAL = "real"
    EMULATED = "emulated"


class Provenance(str, Enum):
    """Where a number comes from. The four are never joined into one series."""

    MEASURED = "measured"
    EMULATED = "emulated"
    PROJECTED = "projected"
    PUBLISHED = "published"


class Outcome(str, Enum):
    """How a run ended. Only `ok` carries performance figures; the others stay visible."""

    OK = "ok"
    OOM = "oom"
    TIMEOUT = "timeout"
    HANG = "hang"
    RANK_LOST = "rank_lost"
    LAUNCH_FAILED = "launch_failed"
    BAD_RESULT = "bad_result"
    INTERRUPTED = "interrupted"
    SKIPPED = "skipped"


def possible(engine: Engine, precision: Precision) -> bool:
    """Whether the engine has that precision."""
    return engine is Engine.ITEX or precision is not Precision.BF16_AMP


def counted(number: float, one: str, several: str = "") -> str:
    """`1 worker`, `2 workers`; several: the plural where it is not `one` with an s."""
    return f"{number:.0f} {one if number == 1 else several or one + 's'}"
