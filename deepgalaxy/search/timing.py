"""What a search costs as the index grows: `python -m deepgalaxy.search.timing SIZE...` prints it as JSON.

Vectors like a VAE's: 16 numbers, Gaussian as its prior is, around paths as the snapshots of a merger leave
them. Each size in a process of its own, so that memory is that size's alone; there the k-d tree of `Recommender` and
scikit-learn's brute force answer the same queries in turn.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from deepgalaxy.lifetime import die_with_parent
from deepgalaxy.search.graph import CANDIDATES, Recommender

LATENT = 16

QUERIES = 50

PATH_LENGTH = 71
"""Vectors that lie along one path: the snapshots that one camera sees."""


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    """Made vectors (count, LATENT): each path runs between two places drawn from the prior, with some noise."""
    rng = np.random.default_rng(seed)
    paths = -(-count // PATH_LENGTH)
    start, end = rng.normal(size=(2, paths, 1, LATENT))
    along = np.linspace(0, 1, PATH_LENGTH)[:, None]
    z = start + along * (end - start) + 0.1 * rng.normal(size=(paths, PATH_LENGTH, LATENT))
    made: NDArray[np.float32] = z.reshape(-1, LATENT)[:count].astype(np.float32)
    return made


def measure(size: int) -> dict[str, Any]:
    """Build and query times in seconds (raw, one a query) and memory of the index in bytes, at one size."""
    z = vectors(size)
    queries = z[np.linspace(0, size - 1, QUERIES).astype(int)] + np.float32(0.05)
    before = psutil.Process().memory_info().rss
    build_s, recommender = _timed(lambda: Recommender(z))
    memory = psutil.Process().memory_info().rss - before
    brute = NearestNeighbors(algorithm="brute").fit(z)
    found: dict[str, list[float]] = {"nearest_s": [], "recommend_s": [], "brute_force_s": []}
    recommender.recommend(queries[0], 6)
    brute.kneighbors(queries[:1], CANDIDATES)
    for query in queries:  # in turn, so that a slow moment of the machine hits all alike
        found["nearest_s"].append(_timed(lambda q=query: recommender.nearest(q, CANDIDATES))[0])  # type: ignore[misc]
        found["recommend_s"].append(_timed(lambda q=query: recommender.recommend(q, 6))[0])  # type: ignore[misc]
        found["brute_force_s"].append(_timed(lambda q=query: brute.kneighbors(q[None], CANDIDATES))[0])  # type: ignore[misc]
    same = [
        set(recommender.nearest(q, CANDIDATES)[1]) == set(brute.kneighbors(q[None], CANDIDATES)[1][0]) for q in queries
    ]
    return {"vectors": size, "build_s": [build_s], "memory_bytes": memory, "same_answers": all(same), **found}


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def main(argv: Sequence[str]) -> int:
    """One size here, several each in its own process."""
    die_with_parent()
    if len(argv) == 1:
        print(json.dumps([measure(int(argv[0]))]))
        return 0
    rows = []
    for size in argv:
        done = subprocess.run([sys.executable, "-m", __spec__.name, size], stdout=subprocess.PIPE, check=True)
        rows += json.loads(done.stdout)
    print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
