"""How good recommendations are: structural similarity to the query, and what the query's physics would be."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.data.layout import CLASS_INTERVAL_MYR
from deepgalaxy.data.pixels import coarse_pixels
from deepgalaxy.search.graph import Recommender
from deepgalaxy.search.index import LatentIndex

READ_AT_ONCE = 2048


def ssim(a: NDArray[Any], b: NDArray[Any], brightest: float = 1.0) -> float:
    """Structural similarity of two images (H, H, 1) in [0, brightest]: 1 for the same (Wang et al. 2004)."""
    from skimage.metrics import structural_similarity

    edge = min(a.shape[0], 7)
    return float(structural_similarity(a[..., 0], b[..., 0], data_range=brightest, win_size=edge - 1 + edge % 2))


class Inferred(NamedTuple):
    """A property of a query from its neighbours': median, and the quantiles between which 68% of them lie."""

    median: float
    low: float
    high: float


def infer_properties(index: LatentIndex, numbers: NDArray[np.int64]) -> dict[str, Inferred]:
    """Class, time to merge (Myr), mass and size ratio of a query whose neighbours are `numbers`."""
    values = {
        "label": index.label[numbers],
        "time_to_merge_myr": CLASS_INTERVAL_MYR * (index.label.max() - index.label[numbers]),
        "mass_ratio": index.mass_ratio[numbers],
        "size_ratio": index.size_ratio[numbers],
    }
    return {name: Inferred(*map(float, np.quantile(v, (0.5, 0.16, 0.84)))) for name, v in values.items()}


class Quality(NamedTuple):
    """Of one way to recommend, over many queries: mean SSIM of query and recommendation, mean error of the
    class of the median recommendation in Myr.
    """

    ssim: float
    error_myr: float


def measure(index: LatentIndex, queries: int, most: int, seed: int, *, own_simulation: bool) -> dict[str, Quality]:
    """Recommend to random images of the index by latent graph, by nearest pixels, and at random.

    own_simulation: whether images of the query's own simulation may be recommended; the query itself never is
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(index), min(queries, len(index)), replace=False)
    images, pixels = _all_images(index)
    found: dict[str, list[tuple[float, float]]] = {"latent graph": [], "nearest in pixels": [], "random": []}
    for simulation in np.unique(index.simulation[chosen]) if not own_simulation else [""]:
        allowed = np.flatnonzero(index.simulation != simulation)
        latent = Recommender(index.z[allowed])
        mine = chosen if own_simulation else chosen[index.simulation[chosen] == simulation]
        for query in mine:
            others = allowed[allowed != query]
            own = np.flatnonzero(allowed == query)
            ways = {
                "latent graph": allowed[
                    latent.recommend(index.z[query], most, int(own[0]) if len(own) else None).numbers
                ],
                "nearest in pixels": others[
                    np.argsort(np.sum((pixels[others] - pixels[query]) ** 2, axis=1), kind="stable")[:most]
                ],
                "random": rng.choice(others, most, replace=False),
            }
            for way, numbers in ways.items():
                error = abs(float(np.median(index.label[numbers])) - float(index.label[query])) * CLASS_INTERVAL_MYR
                found[way].append((float(np.mean([ssim(images[query], images[n], 255) for n in numbers])), error))
    return {way: Quality(*map(float, np.mean(values, axis=0))) for way, values in found.items()}


def _all_images(index: LatentIndex) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Images (N, H, H, 1) in 8 bits, and their pixels averaged to a coarse grid, (N, p); read some at a time."""
    images, pixels = [], []
    for start in range(0, len(index), READ_AT_ONCE):
        read = index.images(np.arange(start, min(start + READ_AT_ONCE, len(index))))
        images.append(np.rint(read * 255).astype(np.uint8))
        pixels.append(coarse_pixels(read))
    return np.concatenate(images), np.concatenate(pixels)
