"""How fast does prediction run at each worker count, in FP32 and BF16?

pytest bench/bench_inference.py --workers 1,2 --precision fp32,bf16
"""

from collections.abc import Callable

from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Mode

MODE = Mode.INFER


def bench_inference(point: RunSpec, measure: Callable[[RunSpec], None]) -> None:
    """One launch of ranks that predict independently of each other."""
    measure(point)
