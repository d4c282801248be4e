"""How fast does training run at each worker count, and how efficiently does it scale?

pytest bench/bench_training.py --workers 1,2 --backbone EfficientNetB0 --resolution 128
"""

from collections.abc import Callable

from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Mode

MODE = Mode.TRAIN


def bench_training(point: RunSpec, measure: Callable[[RunSpec], None]) -> None:
    """One launch of real Horovod ranks; the step times are those of the slowest rank."""
    measure(point)
