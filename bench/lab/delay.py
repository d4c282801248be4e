"""A constant delay on links, for kernels without netem: `python delay.py QUEUE NAMESPACE=SECONDS ...`.

Each namespace hands its incoming packets to a netfilter queue (a rule that `bench.lab.network` sets). They stay in
the kernel; only their numbers come up here, in order, and a verdict on a number, a constant time after it came,
releases all packets up to it. Standard library only, so that it starts at once.

Message layout: linux/netfilter/nfnetlink_queue.h.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path

NETLINK_NETFILTER, SOL_NETLINK, NETLINK_NO_ENOBUFS = 12, 270, 5
SO_RCVBUFFORCE = 33
SUBSYSTEM = 3 << 8  # NFNL_SUBSYS_QUEUE
CONFIG, VERDICT_BATCH = SUBSYSTEM | 2, SUBSYSTEM | 3
BIND, META = 1, 1  # NFQNL_CFG_CMD_BIND, NFQNL_COPY_META
CMD, PARAMS, QUEUE_MAXLEN, MASK, FLAGS = 1, 2, 3, 4, 5  # NFQA_CFG_*
FAIL_OPEN, GSO = 1, 4  # NFQA_CFG_F_*
VERDICT_HDR, ACCEPT = 2, 1  # NFQA_VERDICT_HDR, NF_ACCEPT
REQUEST = 1  # NLM_F_REQUEST
PACKET_ID = slice(24, 28)
"""In a message: after the headers of netlink (16), of netfilter (4) and of the first attribute (4)."""

LONGEST_QUEUE = 65_535
RECEIVE_BYTES = 8 << 20
EARLY_S = 40e-6
"""What waking up and a verdict take: so much earlier, and by the pause between two looks, a packet counts as due."""

ROUND_S = 100e-6
"""Packets that come within this time, or a tenth of the delay, are looked at together: each look costs."""


class Queue:
    """The packets that wait in one namespace."""

    def __init__(self, namespace: str, number: int, delay_s: float) -> None:
        self.delay_s = delay_s
        self._number = number
        with Path(f"/run/netns/{namespace}").open() as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), 0):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_NETFILTER)
        self.socket.bind((0, 0))
        self.socket.setsockopt(SOL_NETLINK, NETLINK_NO_ENOBUFS, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BYTES)
        flags = struct.pack("!I", FAIL_OPEN | GSO)
        self._send(CONFIG, _attribute(CMD, struct.pack("!BxH", BIND, socket.AF_INET)))
        self._send(
            CONFIG,
            _attribute(PARAMS, struct.pack("!IB", 0, META))
            + _attribute(QUEUE_MAXLEN, struct.pack("!I", LONGEST_QUEUE))
            + _attribute(FLAGS, flags)
            + _attribute(MASK, flags),
        )
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._buffer = bytearray(4096)

    def take(self) -> None:
        """Note what has come."""
        due = time.monotonic() + self.delay_s
        buffer, receive, note = self._buffer, self.socket.recv_into, self._waiting.append
        try:
            while receive(buffer):
                note((bytes(buffer[PACKET_ID]), due))
        except BlockingIOError:
            return

    def release(self, until: float) -> float | None:
        """Let go what is due by then; when the next will be, None for nothing waiting."""
        last = None
        waiting = self._waiting
        while waiting and waiting[0][1] <= until:
            last = waiting.popleft()[0]
        if last is not None:
            self._send(VERDICT_BATCH, _attribute(VERDICT_HDR, struct.pack("!I", ACCEPT) + last))
        return waiting[0][1] if waiting else None

    def _send(self, kind: int, attributes: bytes) -> None:
        body = struct.pack("!BBH", socket.AF_UNSPEC, 0, self._number) + attributes
        self.socket.send(struct.pack("=IHHII", 16 + len(body), kind, REQUEST, 0, 0) + body)


def _attribute(kind: int, data: bytes) -> bytes:
    padding = bytes(-len(data) % 4)
    return struct.pack("=HH", 4 + len(data), kind) + data + padding


def main(number: int, delays_s: dict[str, float]) -> None:
    """Delay until killed. Runs before everything else of normal priority: who waits for it waits in vain."""
    queues = {q.socket.fileno(): q for q in (Queue(name, number, delay) for name, delay in delays_s.items())}
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    print("ready", flush=True)
    due: float | None = None
    pause = min(ROUND_S, *(0.1 * delay for delay in delays_s.values()))
    early = EARLY_S + pause
    while True:
        time.sleep(pause)
        # select, not poll, whose patience counts in milliseconds
        wait = None if due is None else max(0.0, due - early - time.monotonic())
        for descriptor in select.select(queues, (), (), wait)[0]:
            queues[descriptor].take()
        until = time.monotonic() + early
        dues = [next_due for q in queues.values() if (next_due := q.release(until)) is not None]
        due = min(dues, default=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), {name: float(seconds) for name, _, seconds in (a.partition("=") for a in sys.argv[2:])})
