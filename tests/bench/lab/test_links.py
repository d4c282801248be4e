"""Rates and delays as people write them, and the ideal that measurements are held against."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.lab.links import LEAST_PACKET_BYTES, MOST_PACKET_BYTES, WIRE_SHARE, Link, ideal_ring_s
from bench.lab.run import links_of
from bench.lab.site import Way, site_name
from deepgalaxy.errors import InputError


@pytest.mark.parametrize(
    ("rate", "bit_per_s"), [("1gbit", 1e9), ("2.5gbit", 2.5e9), ("100mbit", 1e8), ("500kbit", 5e5)]
)
def test_rates(rate, bit_per_s):
    assert Link(rate=rate).bit_per_s == bit_per_s


@pytest.mark.parametrize(("delay", "seconds"), [("0us", 0), ("50us", 5e-5), ("1.5ms", 1.5e-3), ("1s", 1)])
def test_delays(delay, seconds):
    assert Link(delay=delay).delay_s == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"rate": "fast"}, "rate 'fast' is not of the form 100mbit"),
        ({"rate": "1gb"}, "rate '1gb'"),
        ({"rate": "1kbit"}, "outside 100kbit to 100gbit"),
        ({"rate": "1000gbit"}, "outside 100kbit to 100gbit"),
        ({"delay": "5"}, "delay '5' is not of the form 50us"),
        ({"delay": "2s"}, "longer than 1s"),
    ],
)
def test_what_is_no_link_is_refused(fields, told):
    with pytest.raises(InputError, match=told):
        Link(**fields)


@given(st.floats(0.1, 1e5))
def test_the_bucket_holds_a_whole_packet_at_every_rate(mbit):
    link = Link(rate=f"{mbit:.3f}mbit")
    _, _, rate, _, bucket, *_ = link.shaping(link.packet_bytes)
    assert rate == link.rate
    assert LEAST_PACKET_BYTES <= link.packet_bytes <= MOST_PACKET_BYTES
    assert int(bucket) > link.packet_bytes


def test_an_unshaped_link_has_no_queue_and_takes_no_time():
    link = Link(rate="none")
    assert link.shaping(MOST_PACKET_BYTES) == []
    assert ideal_ring_s(1e6, 4, link) == 0


def test_the_ideal_ring_by_hand():
    # 4 hosts pass 2 x 3/4 of 10 MB, 15 MB, through each link: 0.12 s of 1 Gbit/s; and 6 messages, one after the other.
    assert ideal_ring_s(10e6 * WIRE_SHARE, 4, Link(rate="1gbit", delay="1ms")) == pytest.approx(0.12 + 6 * 1e-3)
    assert ideal_ring_s(10e6, 1, Link(rate="1gbit")) == 0


def test_every_rate_meets_every_delay_and_each_is_a_site_of_its_own():
    links = links_of("1gbit,100mbit", "0us,1ms")
    assert [site_name(link, {}, Way()) for link in links] == [
        "lab-1gbit",
        "lab-1gbit-1ms",
        "lab-100mbit",
        "lab-100mbit-1ms",
    ]
    assert site_name(links[0], {"h3": Link(rate="10mbit")}, Way()) == "lab-1gbit-h3-10mbit"
    assert site_name(links[2], {}, Way("horovodrun")) == "lab-100mbit-gloo"
    assert site_name(links[2], {}, Way("srun", ring=False)) == "lab-100mbit-default"
    assert math.isinf(links_of("none", "0us")[0].bit_per_s)
