import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepgalaxy.search.graph import CANDIDATES, Recommender


def clouds(rng, centres, each, spread=0.3):
    return np.concatenate([rng.normal(c, spread, (each, len(c))) for c in centres])


@settings(max_examples=20)
@given(seed=st.integers(0, 99), n=st.integers(2, 300), count=st.integers(1, 20))
def test_the_nearest_are_those_of_an_exhaustive_search(seed, n, count):
    rng = np.random.default_rng(seed)
    z, query = rng.normal(size=(n, 6)), rng.normal(size=6)
    distances, numbers = Recommender(z).nearest(query, count)
    exact = np.linalg.norm(z - query, axis=1)
    assert distances == pytest.approx(np.sort(exact)[:count])
    assert len(set(numbers)) == min(count, n)


def test_it_recommends_from_the_querys_own_cloud_first():
    rng = np.random.default_rng(0)
    z = clouds(rng, [[0, 0, 0], [2.2, 0, 0]], 30)  # all of them are candidates
    found = Recommender(z).recommend(np.array([0.9, 0.0, 0.0]), 40)
    assert np.all(found.numbers[found.in_group] < 30)
    assert found.in_group.sum() >= 25
    assert not found.in_group[-1]  # and from the other when its own is used up
    inside = found.distances[found.in_group]
    assert list(inside) == sorted(inside)
    assert found.groups >= 2


def test_clouds_far_apart_are_components_of_the_graph():
    rng = np.random.default_rng(0)
    z = clouds(rng, [[0, 0], [100, 0], [0, 100]], 20)
    found = Recommender(z).recommend(np.zeros(2), 6)
    assert found.components == 3
    assert np.all(found.numbers < 20)
    assert found.spectrum[0] == pytest.approx(0, abs=1e-9)  # a connected graph has one eigenvalue 0
    assert found.spectrum[1] > 1e-6
    assert np.all(np.diff(found.spectrum) >= 0)


def test_a_query_that_is_in_the_index_is_not_recommended_to_itself():
    z = np.random.default_rng(0).normal(size=(50, 4))
    found = Recommender(z).recommend(z[7], 5, leave_out=7)
    assert 7 not in found.numbers
    assert len(found.numbers) == 5
    assert Recommender(z).recommend(z[7], 1).numbers[0] == 7


@pytest.mark.parametrize("z", [np.zeros((1, 3)), np.zeros((40, 3)), np.arange(6.0).reshape(2, 3)])
def test_few_vectors_or_equal_ones_are_no_trouble(z):
    found = Recommender(z).recommend(np.zeros(3), 6)
    assert len(found.numbers) == min(6, len(z))


def test_what_a_query_costs_does_not_grow_with_the_index():
    z = np.random.default_rng(0).normal(size=(3 * CANDIDATES, 3))
    assert len(Recommender(z).recommend(z[0], 10 * CANDIDATES).numbers) == CANDIDATES + 1
