import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.campaign.counts import parse_counts
from deepgalaxy.errors import InputError


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("128", [128]),
        ("4,8,16", [4, 8, 16]),
        ("16,4,4", [4, 16]),
        ("4:1024", [4, 8, 16, 32, 64, 128, 256, 512, 1024]),
        ("4:24", [4, 8, 16, 24]),
        ("3:3", [3]),
        ("1,4:16", [1, 4, 8, 16]),
    ],
)
def test_counts_are_read_as_people_write_them(text, counts):
    assert parse_counts(text) == counts


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0", "0 is too small"),
        ("4:2", "runs downwards; write 2:4"),
        ("", "is not one count"),
        ("four", "is not one count"),
        ("1:2:3", "is not one count"),
        ("-4", "is not one count"),
        ("4,,8", "is not one count"),
        ("1.5", "is not one count"),
    ],
)
def test_anything_else_is_refused_in_one_line(text, told):
    with pytest.raises(InputError, match=told) as caught:
        parse_counts(text)
    assert repr(text) in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.integers(1, 2000), st.integers(0, 12), st.integers(0, 100))
def test_a_range_doubles_and_holds_both_ends(first, doublings, more):
    last = first * 2**doublings + more
    counts = parse_counts(f"{first}:{last}")
    assert counts[0] == first
    assert counts[-1] == last
    assert all(b <= 2 * a for a, b in zip(counts, counts[1:], strict=False))
