"""What does an image search cost as the index grows, beside scikit-learn's brute force on the same queries?

pytest bench/bench_search.py --vectors 1000,10000,100000
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

WAYS = ("build_s", "nearest_s", "recommend_s", "brute_force_s")


@pytest.mark.parametrize("way", WAYS)
def bench_search(vectors: int, way: str, replay: Callable[[list[float], str, dict[str, Any]], None]) -> None:
    """Building the k-d tree; 100 nearest vectors by it; a recommendation with graph and clusters; brute force."""
    figures = _measured(vectors)
    shown = {name: figures[name] for name in ("vectors", "memory_bytes", "same_answers")}
    assert figures["same_answers"]
    replay(figures[way], f"search among {vectors} vectors", shown | {"provenance": "measured"})


@functools.cache
def _measured(vectors: int) -> dict[str, Any]:
    """In a process of the workload's own."""
    command = [sys.executable, "-m", "deepgalaxy.search.timing", str(vectors)]
    (row,) = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    return dict(row)
