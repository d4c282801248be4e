"""Does the input pipeline keep up: what it delivers, against plain h5py reads of the same images in the same run?

pytest bench/bench_pipeline.py --workers 1,2 --resolution 128,512

The share of a training step that is spent waiting for data stands in bench_training's table.
"""

from collections.abc import Callable

from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Mode

MODE = Mode.LOAD


def bench_pipeline(point: RunSpec, measure: Callable[[RunSpec], None]) -> None:
    """One launch of ranks that only ask for their batches; a step is a batch."""
    measure(point)
