"""What goes wrong on a network, done to a lab on purpose: dead hosts, cut and slow links, damaged packets."""

from __future__ import annotations

import fcntl
import shutil
import socket
import struct
import subprocess

from bench.lab.links import Link
from bench.lab.namespaces import PATH, entered, identity, ip, kill_all
from bench.lab.network import SWITCH, Lab, port
from deepgalaxy.errors import InputError

SIOCETHTOOL, ETHTOOL_STXCSUM = 0x8946, 0x17
DAMAGED_BIT_OFFSET = 8 * 60
"""From the begin of TCP's header, beyond the longest: in the payload."""


def kill_host(lab: Lab, host: str) -> None:
    """The host dies as by a power cut: nobody hears a last word of it."""
    cut_link(lab, host)
    inode = identity(lab.namespace(host))
    if inode is not None:
        kill_all({inode}, gently=False)


def cut_link(lab: Lab, host: str) -> None:
    """Nothing passes a host's link any more."""
    ip("link", "set", port(host), "down", inside=lab.namespace(SWITCH))


def mend_link(lab: Lab, host: str) -> None:
    """The link is there again."""
    ip("link", "set", port(host), "up", inside=lab.namespace(SWITCH))


def change_link(lab: Lab, host: str, link: Link) -> None:
    """Another rate for one host's link; its delay stays."""
    lab.shape_one(host, link)


def damage_packets(lab: Lab, host: str, one_in: int) -> None:
    """A byte of the payload of one in so many packets to and from a host is changed on its way.

    Its packets get real checksums first, which namespaces of one machine otherwise leave out: on a wire they
    are there, and TCP asks again for what is damaged.

    Raises
    ------
    InputError: nft is missing, or the kernel does not have what it takes
    """
    if not shutil.which("nft", path=PATH):
        raise InputError("not installed: nft (Debian: nftables; tools/lab.sh installs it)")
    for each in ("h0", *lab.hosts):
        with entered(lab.namespace(each)):
            _checksum_in_software("eth0")
    change = f"numgen random mod {one_in} == 0 @th,{DAMAGED_BIT_OFFSET},8 set 0xff"
    rules = "\n".join(
        f'{way} "{port(host)}" ip protocol tcp ip length > 200 {change}' for way in ("iifname", "oifname")
    )
    text = f"table bridge damage {{\nchain forward {{\ntype filter hook forward priority 0;\n{rules}\n}}\n}}\n"
    with entered(lab.namespace(SWITCH)):
        done = subprocess.run(
            ["nft", "-f", "-"],
            input=text,
            capture_output=True,
            text=True,
            env={"PATH": PATH},
            check=False,
        )
    if done.returncode:
        raise InputError(f"packets can't be damaged here: {done.stderr.strip().splitlines()[0]}")


def spare_packets(lab: Lab) -> None:
    """Nothing damages packets any more."""
    with entered(lab.namespace(SWITCH)):
        subprocess.run(["nft", "delete", "table", "bridge", "damage"], check=True, env={"PATH": PATH})


def damaged(lab: Lab, host: str) -> int:
    """Segments with a wrong checksum that a host's TCP has thrown away."""
    told = subprocess.run(
        lab.command(host, "cat", "/proc/net/snmp"), capture_output=True, text=True, check=True
    ).stdout.splitlines()
    names, values = (line.split() for line in told if line.startswith("Tcp:"))
    return int(dict(zip(names, values, strict=True))["InCsumErrors"])


def _checksum_in_software(device: str) -> None:
    """Have the kernel compute what a network card would."""
    import array

    value = array.array("B", struct.pack("II", ETHTOOL_STXCSUM, 0))
    request = struct.pack("16sP", device.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        fcntl.ioctl(opened, SIOCETHTOOL, request)
