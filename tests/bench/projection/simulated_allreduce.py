"""Allreduces message by message in SimGrid's discrete-event simulation; prints JSON, seconds by algorithm.

Runs in whatever Python has SimGrid: `python simulated_allreduce.py NODES BYTES LATENCY_S BYTES_PER_S`.
"""

import json
import sys

from simgrid import Actor, Comm, Engine, Host, LinkInRoute, Mailbox, NetZone

PLAIN = ["--cfg=network/model:CM02", "--cfg=network/crosstraffic:0", "--cfg=network/TCP-gamma:0"]
"""Latency plus bytes over bandwidth, shared fairly: no factors fitted to some TCP."""

KEPT = []


def platform(nodes, latency, bandwidth):
    """A switch with a link of its own to every node, each direction for itself."""
    zone = NetZone.create_star_zone("cluster")
    for number in range(nodes):
        host = zone.create_host(f"h{number}", 1e9).seal()
        up, down = (
            zone.create_link(f"{way}{number}", bandwidth).set_latency(latency / 2).seal() for way in ("up", "down")
        )
        for source, to, link in ((host, None, up), (None, host, down)):
            ends = (end.netpoint if end else None for end in (source, to))
            zone.add_route(*ends, None, None, [LinkInRoute(link)], False)
    zone.seal()


def exchange(algorithm, rank, to, source, round_number, size):
    """Send and receive a message at the same time. What is under way is kept: SimGrid 3.32 does not hold on to it."""
    sending = Mailbox.by_name(f"{algorithm}{rank}-{to}-{round_number}").put_async(rank, max(int(size), 1))
    receiving = Mailbox.by_name(f"{algorithm}{source}-{rank}-{round_number}").get_async()
    KEPT.append((sending, receiving))
    Comm.wait_all([sending, receiving[0] if isinstance(receiving, tuple) else receiving])


def ring(rank, workers, size):
    for number in range(2 * (workers - 1)):
        exchange("ring", rank, (rank + 1) % workers, (rank - 1) % workers, number, size / workers)


def halving_doubling(rank, workers, size):
    """Halves with the farthest first, as Rabenseifner's, and back."""
    rounds = workers.bit_length() - 1
    for number in range(2 * rounds):
        step = number if number < rounds else 2 * rounds - 1 - number
        peer = rank ^ (workers >> (step + 1))
        exchange("halving", rank, peer, peer, number, size / 2 ** (step + 1))


def recursive_doubling(rank, workers, size):
    for number in range(workers.bit_length() - 1):
        peer = rank ^ (1 << number)
        exchange("doubling", rank, peer, peer, number, size)


def main():
    nodes, size, latency, bandwidth = int(sys.argv[1]), *map(float, sys.argv[2:5])
    engine = Engine(["simulated_allreduce", *PLAIN])
    platform(nodes, latency, bandwidth)
    taken = {}

    def rank_of(rank):
        began = Engine.clock
        for algorithm in (ring, halving_doubling, recursive_doubling):
            algorithm(rank, nodes, size)
            taken.setdefault(algorithm.__name__, []).append(Engine.clock - began)
            began = Engine.clock

    for rank in range(nodes):
        Actor.create(f"rank{rank}", Host.by_name(f"h{rank}"), rank_of, rank)
    engine.run()
    print(json.dumps({name: max(seconds) for name, seconds in taken.items()}))


if __name__ == "__main__":
    main()
