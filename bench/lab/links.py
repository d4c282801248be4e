"""Links: rates and delays as people write them, and what the kernel needs to keep to them."""

from __future__ import annotations

import re

import msgspec

from deepgalaxy.errors import InputError

RATE = re.compile(r"(\d+(?:\.\d+)?)(kbit|mbit|gbit)")
DELAY = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)")
UNSHAPED = "none"
SCALE = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9, "us": 1e-6, "ms": 1e-3, "s": 1.0}

MOST_PACKET_BYTES = 65_536
LEAST_PACKET_BYTES = 3_000
QUEUE_BYTES = 500_000
"""Waiting room of a link, about that of a switch's port."""

WIRE_SHARE = 1448 / 1514
"""Payload in what passes a link: TCP's segments in Ethernet frames of 1500 bytes, as tbf counts them."""


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What joins a host to the switch. rate: 1gbit, ... or none, in each direction; delay: from any host to this one"""

    rate: str = "1gbit"
    delay: str = "0us"

    def __post_init__(self) -> None:
        if self.rate != UNSHAPED and not RATE.fullmatch(self.rate):
            raise InputError(f"rate {self.rate!r} is not of the form 100mbit or 2.5gbit, nor none")
        if not DELAY.fullmatch(self.delay):
            raise InputError(f"delay {self.delay!r} is not of the form 50us or 1ms")
        if self.rate != UNSHAPED and not 1e5 <= self.bit_per_s <= 1e11:
            raise InputError(f"rate {self.rate} is outside 100kbit to 100gbit")
        if self.delay_s > 1:
            raise InputError(f"delay {self.delay} is longer than 1s")

    @property
    def bit_per_s(self) -> float:
        """Infinite where the link is not shaped."""
        return _number(self.rate, RATE) if self.rate != UNSHAPED else float("inf")

    @property
    def delay_s(self) -> float:
        """One way, seconds."""
        return _number(self.delay, DELAY)

    @property
    def name(self) -> str:
        """For sites and tables: 1gbit, or 1gbit-50us."""
        return self.rate + (f"-{self.delay}" if self.delay_s else "")

    @property
    def packet_bytes(self) -> int:
        """The largest packet that the kernel hands to the link in one piece: half a millisecond of its rate."""
        if self.rate == UNSHAPED:
            return MOST_PACKET_BYTES
        return int(min(MOST_PACKET_BYTES, max(LEAST_PACKET_BYTES, self.bit_per_s / 8 * 0.0005)))

    def shaping(self, largest_packet_bytes: int) -> list[str]:
        """What `tc qdisc add dev X root` gets; empty for a link that is not shaped.

        The bucket holds the largest packet that can arrive whole: tbf would cut it up, drop some of the
        pieces, and make everything three to four times slower.
        """
        if self.rate == UNSHAPED:
            return []
        bucket = max(1.1 * largest_packet_bytes + 3000, self.bit_per_s / 8 * 0.0001)
        return ["tbf", "rate", self.rate, "burst", str(int(bucket)), "limit", str(QUEUE_BYTES)]


def ideal_ring_s(payload_bytes: float, hosts: int, link: Link) -> float:
    """What an allreduce takes by the ring algorithm where nothing but the links costs time, seconds.

    2 (N-1)/N of the payload passes each link, in 2 (N-1) messages that wait for each other
    (Patarasuk & Yuan 2009, J. Parallel Distrib. Comput. 69, 117).
    """
    sent = 2 * (hosts - 1) / hosts * payload_bytes / WIRE_SHARE
    return 8 * sent / link.bit_per_s + 2 * (hosts - 1) * link.delay_s


def _number(text: str, form: re.Pattern[str]) -> float:
    match = form.fullmatch(text)
    assert match is not None  # checked on construction
    return float(match[1]) * SCALE[match[2]]
