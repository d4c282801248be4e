"""Network profiles, jobs/networks/*.toml: what a node's link carries."""

from __future__ import annotations

from enum import Enum

import msgspec

from bench import REPOSITORY
from bench.campaign.files import named_file, read_toml
from deepgalaxy.errors import InputError


class Kind(str, Enum):
    """How messages leave a node: through the kernel's sockets, or by the adapter itself."""

    TCP = "tcp"
    RDMA = "rdma"


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link of one node in each direction. source: of its rate; latency_us: of one message, software included"""

    name: str
    description: str
    source: str
    kind: Kind
    gbit_per_s: float
    latency_us: float

    def __post_init__(self) -> None:
        for field in ("gbit_per_s", "latency_us"):
            if getattr(self, field) <= 0:
                raise InputError(f"{field} {getattr(self, field)} of network {self.name} is not a positive number")


def load_network(name_or_file: str) -> Network:
    """A profile by its name in jobs/networks or by its file.

    Raises
    ------
    InputError: no such profile, or fields that are unknown or wrong
    """
    return read_toml(named_file(name_or_file, REPOSITORY / "jobs" / "networks", "network"), Network)
