"""Recommendations from the graph of neighbours around a query (paper, section III.B).

The nearest vectors to the query, and the query itself, make a k-nearest-neighbour graph. Its Laplacian's
spectrum says into how many groups it falls, spectral clustering finds them, and the members of the
query's group are what is recommended: how many neighbours were looked at matters less than it would if
they were taken as they come.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components, laplacian
from sklearn.cluster import SpectralClustering
from sklearn.neighbors import NearestNeighbors, kneighbors_graph

Vectors = NDArray[Any]

CANDIDATES = 100
"""Vectors around the query whose graph is looked at."""

GRAPH_NEIGHBOURS = 8

MOST_GROUPS = 8


class Recommendation(NamedTuple):
    """What is recommended to one query.

    numbers: (n,) of vectors in the index, nearest first, those of the query's group before all others
    distances: (n,) from the query; in_group: (n,) bool
    components: of the graph; groups: into which the query's component falls
    spectrum: smallest eigenvalues of the component's normalised Laplacian, ascending
    """

    numbers: NDArray[np.int64]
    distances: NDArray[np.float64]
    in_group: NDArray[np.bool_]
    components: int
    groups: int
    spectrum: NDArray[np.float64]


class Recommender:
    """Finds what is like a query among the vectors z, (N, L).

    Building takes O(N log N), a query O(log N) for the search and nothing that grows with N for the graph,
    as long as the vectors are few-dimensional enough for a k-d tree to pay.
    """

    def __init__(self, z: Vectors) -> None:
        self._z = z
        self._tree = NearestNeighbors(algorithm="kd_tree").fit(z)

    def nearest(self, query: Vectors, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distances and numbers of the vectors nearest to one query, (L,)."""
        distances, numbers = self._tree.kneighbors(query[None], min(count, len(self._z)))
        return distances[0], numbers[0]

    def recommend(self, query: Vectors, most: int, leave_out: int | None = None) -> Recommendation:
        """Up to `most` vectors like the query. leave_out: the query's own number, where it is in the index."""
        distances, numbers = self.nearest(query, CANDIDATES + 1)
        kept = numbers != leave_out
        distances, numbers = distances[kept], numbers[kept]
        affinity = _graph(np.vstack([query[None], self._z[numbers]]))
        components, component = connected_components(affinity, directed=False)
        inside = np.flatnonzero(component == component[0])  # the query is the first
        spectrum = _spectrum(affinity[inside][:, inside])
        groups = _groups(spectrum)
        group = np.zeros(len(inside), int)
        if groups > 1:
            clustering = SpectralClustering(groups, affinity="precomputed", random_state=0, assign_labels="cluster_qr")
            group = clustering.fit_predict(affinity[inside][:, inside])
        in_group = np.zeros(len(numbers), bool)
        in_group[inside[1:][group[1:] == group[0]] - 1] = True
        order = np.lexsort((distances, ~in_group))[:most]
        return Recommendation(
            numbers[order], distances[order], in_group[order], int(components), groups, spectrum[: MOST_GROUPS + 1]
        )


def _graph(points: Vectors) -> csr_matrix:
    """Symmetric k-nearest-neighbour graph of points, weighted by a Gaussian of the median distance of neighbours."""
    k = min(GRAPH_NEIGHBOURS, len(points) - 1)
    graph = kneighbors_graph(points, k, mode="distance")
    graph.data = np.maximum(graph.data, np.finfo(np.float32).tiny)  # images that are alike are neighbours, too
    graph = graph.maximum(graph.T)
    scale = float(np.median(graph.data)) or 1.0
    graph.data = np.exp(-0.5 * (graph.data / scale) ** 2)
    return csr_matrix(graph)


def _spectrum(affinity: csr_matrix) -> NDArray[np.float64]:
    """All eigenvalues of the normalised Laplacian, ascending; the graphs are small."""
    values: NDArray[np.float64] = np.linalg.eigvalsh(laplacian(affinity, normed=True).toarray())
    return np.clip(values, 0, None)


def _groups(spectrum: NDArray[np.float64]) -> int:
    """Into how many groups a connected graph falls: where the gap between eigenvalues is widest (von Luxburg 2007)."""
    gaps = np.diff(spectrum[: MOST_GROUPS + 1])
    return int(np.argmax(gaps)) + 1 if len(gaps) else 1
