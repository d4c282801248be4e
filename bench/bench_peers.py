"""How does this suite's training compare with what a user could run instead?

pytest bench/bench_peers.py --workers 2 --backbone EfficientNetB0 --resolution 128 --launches 3

Collected only where it is named; `dgbench peers` does the same and prints one table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bench.peers import WAYS
from bench.plugin import Benchmarks
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Mode

MODE = Mode.TRAIN


@pytest.mark.parametrize("way", WAYS)
def bench_peers(
    point: RunSpec,
    way: str,
    benchmarks: Benchmarks,
    replay: Callable[[list[float], str, dict[str, Any]], None],
) -> None:
    """Steps of one way, of launches in turn with the others; how many times faster ours is stands beside them."""
    steps, info = benchmarks.run_peers(point)[way]
    replay(steps, f"peers of {point.curve_name}", info)
