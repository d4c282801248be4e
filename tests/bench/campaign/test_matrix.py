import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.campaign.matrix import combinations
from deepgalaxy.errors import InputError

values = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True)


@given(st.dictionaries(st.sampled_from("abcd"), values, min_size=1))
def test_without_more_it_is_the_cross_product_the_last_innermost(fields):
    found = [tuple(one.values()) for one in combinations(fields)]
    assert found == list(itertools.product(*fields.values()))


@given(values, values, values)
def test_together_walks_in_step(a, b, c):
    n = min(len(a), len(b))
    fields = {"a": a[:n], "c": c, "b": b[:n]}
    found = list(combinations(fields, [["a", "b"]]))
    assert [(one["a"], one["b"]) for one in found] == [pair for pair in zip(a, b, strict=False) for _ in c]
    assert list(found[0]) == ["a", "c", "b"]


@given(values, values)
def test_without_leaves_out_what_it_names_and_nothing_else(a, b):
    fields = {"a": a, "b": b}
    found = list(combinations(fields, without=[{"a": a[0], "b": b}, {"b": [b[-1], 99]}]))
    assert found == [one for one in combinations(fields) if one["a"] != a[0] and one["b"] != b[-1]]


@pytest.mark.parametrize(
    ("together", "without", "told"),
    [
        ([["a", "b"]], [], "zip needs lists of one length: a has 2, b has 3"),
        ([["a", "x"]], [], "zip names x, which the points do not have"),
        ([["a", "c"], ["c", "b"]], [], "zip names c twice"),
        ([], [{"x": 1}], "exclude names x, which the points do not have"),
    ],
)
def test_what_makes_no_sense_is_told(together, without, told):
    with pytest.raises(InputError, match=told):
        list(combinations({"a": [1, 2], "b": [1, 2, 3], "c": [1, 2]}, together, without))
