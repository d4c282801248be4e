"""Hosts on a switch: namespaces joined by shaped links, made and removed again without a trace."""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from bench import REPOSITORY
from bench.lab import delaying, namespaces
from bench.lab.links import UNSHAPED, Link
from bench.lab.namespaces import entered, identity, ip, kill_all
from bench.lab.scripts import address, write_scripts
from bench.store.results import write_atomically
from deepgalaxy.errors import InputError

FOLDER = REPOSITORY / "results" / "lab"
SWITCH, LOGIN = "sw", "h0"
MOST_HOSTS = 64
CONGESTION_CONTROL = "cubic"
"""Set by route: inside a namespace the general setting refuses it, and bbr, some kernels' default, is slow here."""


class State(msgspec.Struct, kw_only=True):
    """What there is of a lab, on disk before it is made.

    prefix: of the namespaces' names, made up for this lab alone
    inodes: of each namespace by name, 0 while it is being made
    own_links: of hosts whose link is not like the others'
    """

    prefix: str
    hosts: int
    inodes: dict[str, int] = {}
    link: Link = Link()
    own_links: dict[str, Link] = {}


class Lab:
    """The lab whose state is in `folder`; its hosts are h1, h2, ..., and h0 to log in to."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self.folder = folder.resolve()
        self._file = self.folder / "lab.json"

    @property
    def state(self) -> State | None:
        """What there is; None for nothing."""
        with suppress(OSError):
            return msgspec.json.decode(self._file.read_bytes(), type=State)
        return None

    @property
    def hosts(self) -> list[str]:
        """Names of the hosts that ranks can run on."""
        return [f"h{n}" for n in range(1, 1 + self._required().hosts)]

    def up(self, hosts: int, link: Link, own_links: Mapping[str, Link] | None = None) -> None:
        """Make the lab, in place of what an earlier one has left.

        Raises
        ------
        InputError: it can't be made here; too many hosts; another process uses the lab
        """
        if reason := namespaces.why_not():
            raise InputError(reason)
        if not 1 <= hosts <= MOST_HOSTS:
            raise InputError(f"hosts {hosts} is outside 1 to {MOST_HOSTS}")
        own_links = dict(own_links or {})
        unknown = sorted(set(own_links) - {f"h{n}" for n in range(1, hosts + 1)})
        if unknown:
            raise InputError(f"{unknown[0]} is no host of this lab; its hosts are h1 to h{hosts}")
        self.down()
        state = State(prefix=f"dg{secrets.token_hex(3)}", hosts=hosts)
        self._write(state)
        try:
            self._make(state)
            write_scripts(self.folder, state.prefix, [LOGIN, *self.hosts])
            self.shape(link, own_links)
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End all processes on the hosts, and remove them: those that this lab has made, nobody else's."""
        state = self.state
        if state is None:
            return
        delaying.end(state.prefix)
        ours = {name: inode for name, inode in state.inodes.items() if identity(name) in (inode, None) or not inode}
        living = {inode for name in ours if (inode := identity(name)) is not None}
        kill_all(living)
        for name in ours:
            if identity(name) is not None:
                ip("netns", "del", name)
        self._file.unlink()

    def shape(self, link: Link, own_links: Mapping[str, Link] | None = None) -> None:
        """Give all links a rate and a delay, some of them their own."""
        state = self._required()
        state.link, state.own_links = link, dict(own_links or {})
        self._write(state)
        for host in self.hosts:
            self.shape_one(host, state.own_links.get(host, link))
        delaying.end(state.prefix)
        delays = {self.namespace(h): state.own_links.get(h, link).delay_s for h in self.hosts}
        if any(delays.values()):
            delaying.start({name: seconds for name, seconds in delays.items() if seconds}, self.folder)

    def shape_one(self, host: str, link: Link) -> None:
        """Rate of one host's link, both ways, from now on."""
        state = self._required()
        largest = max(each.packet_bytes for each in (state.link, *state.own_links.values()))
        namespace, switch = self.namespace(host), self.namespace(SWITCH)
        ip("link", "set", "eth0", "gso_max_size", str(link.packet_bytes), inside=namespace)
        for inside, device in ((namespace, "eth0"), (switch, port(host))):
            with suppress(InputError):  # none was there
                ip("qdisc", "del", "dev", device, "root", inside=inside, program="tc")
            if link.rate != UNSHAPED:
                queue = link.shaping(largest)
                ip("qdisc", "add", "dev", device, "root", *queue, inside=inside, program="tc")

    def namespace(self, host: str) -> str:
        """Its name among the machine's namespaces."""
        return f"{self._required().prefix}-{host}"

    def command(self, host: str, *tokens: str) -> list[str]:
        """What runs a command on a host."""
        return [str(self.folder / "enter"), host, *tokens]

    @property
    def delayed(self) -> bool:
        """Whether packets are delayed now, as far as they should be."""
        state = self._required()
        wanted = any(each.delay_s for each in (state.link, *state.own_links.values()))
        return not wanted or bool(delaying.running(state.prefix))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else's while the context lasts; the kernel gives it back when this process dies.

        Raises
        ------
        InputError: another process holds it
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"the lab in {self.folder} is in use; --lab names another folder") from None
            yield

    def _required(self) -> State:
        state = self.state
        if state is None:
            raise InputError(f"no lab is up in {self.folder}; `dgbench lab up` makes one")
        return state

    def _write(self, state: State) -> None:
        write_atomically(self._file, msgspec.json.format(msgspec.json.encode(state), indent=1))

    def _make(self, state: State) -> None:
        hosts = [LOGIN, *self.hosts]
        for host in (SWITCH, *hosts):
            name = self.namespace(host)
            state.inodes[name] = 0
            self._write(state)  # before it is made: a killed process leaves none that nobody knows
            ip("netns", "add", name)
            state.inodes[name] = identity(name) or 0
        self._write(state)
        switch = self.namespace(SWITCH)
        quiet = ["stp_state", "0", "forward_delay", "0", "mcast_snooping", "0"]
        bridge = ["link", "add", "br0", "type", "bridge", *quiet]
        ip(inside=switch, lines=[bridge, ["link", "set", "br0", "up"], ["link", "set", "lo", "up"]])
        peers = [["peer", "name", port(host), "netns", switch] for host in hosts]
        names = [self.namespace(host) for host in hosts]
        veths = zip(names, peers, strict=True)
        ip(lines=[["link", "add", "eth0", "netns", name, "type", "veth", *peer] for name, peer in veths])
        ip(inside=switch, lines=[["link", "set", port(host), "master", "br0", "up"] for host in hosts])
        for host in hosts:
            self._configure(host)

    def _configure(self, host: str) -> None:
        mine, net = address(host), "10.77.0.0/24"
        route = ["route", "replace", net, "dev", "eth0", "proto", "kernel", "scope", "link", "src", mine]
        ip(
            inside=self.namespace(host),
            lines=[
                ["link", "set", "lo", "up"],
                ["link", "set", "eth0", "up"],
                ["addr", "add", f"{mine}/24", "dev", "eth0"],
                [*route, "congctl", CONGESTION_CONTROL],
            ],
        )
        with entered(self.namespace(host)):
            settings = Path("/proc/sys/net")
            (settings / "ipv4/tcp_no_metrics_save").write_text("1")  # what one run has learnt is not the next one's
            with suppress(OSError):  # a kernel without it needs it not
                (settings / "ipv6/conf/all/disable_ipv6").write_text("1")


def port(host: str) -> str:
    """The switch's end of a host's link."""
    return f"p{host[1:]}"
