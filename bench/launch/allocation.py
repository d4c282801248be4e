"""The nodes that a scheduler or a host file gives to this process, and until when."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.campaign.site import Site
from deepgalaxy.errors import InputError, first_line

HOST_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?::\d+|\s+slots\s*=\s*\d+)?")
GROUP = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True)
class Allocation:
    """hosts: names of the nodes, in the scheduler's order; none means this machine alone
    job: what the scheduler calls it; ends_at: seconds since the epoch, or None for no end
    """

    hosts: tuple[str, ...] = ()
    job: str = ""
    ends_at: float | None = None

    def remaining_s(self) -> float:
        """Seconds that are left."""
        return float("inf") if self.ends_at is None else self.ends_at - time.time()

    def narrowed(self, site: Site) -> Site:
        """The site with as many nodes as there are here."""
        return msgspec.structs.replace(site, nodes=len(self.hosts)) if self.hosts else site


def find(environment: Mapping[str, str], hostfile: Path | None = None) -> Allocation:
    """The allocation that `environment` tells of (Slurm's SLURM_*), or the nodes that `hostfile` lists.

    Raises
    ------
    InputError: a host file that can't be read or has a line that names no host
    """
    if hostfile is not None:
        return Allocation(tuple(_listed(hostfile)))
    if "SLURM_JOB_ID" not in environment:
        return Allocation()
    nodes = environment.get("SLURM_JOB_NODELIST") or environment.get("SLURM_NODELIST", "")
    end = environment.get("SLURM_JOB_END_TIME", "")
    return Allocation(tuple(hostnames(nodes)), environment["SLURM_JOB_ID"], float(end) if end.isdecimal() else None)


def hostnames(nodes: str) -> list[str]:
    """Slurm's short form of node names, spelled out: `n[1-2,07],login` is n1, n2, n07, login.

    Raises
    ------
    InputError: not of that form
    """
    names: list[str] = []
    for part in re.split(r",(?![^\[]*\])", nodes):
        if part:
            names += _spelled(part, nodes)
    return names


def _spelled(part: str, whole: str) -> Iterator[str]:
    group = GROUP.search(part)
    if group is None:
        if "[" in part or "]" in part:
            raise InputError(f"node list {whole!r} is not of Slurm's form, e.g. node[1-4,7]")
        yield part
        return
    for span in group[1].split(","):
        first, _, last = span.partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise InputError(f"node list {whole!r} is not of Slurm's form, e.g. node[1-4,7]")
        for number in range(int(first), int(last or first) + 1):
            for end in _spelled(part[group.end() :], whole):
                yield f"{part[: group.start()]}{number:0{len(first)}}{end}"


def _listed(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"host file {path}: {first_line(error)}") from None
    found: dict[str, None] = {}
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = HOST_LINE.fullmatch(text)
        if match is None:
            raise InputError(f"host file {path}, line {number}: {text!r} is no host; write e.g. node1 slots=4")
        found[match[1]] = None  # each once: how many ranks a node takes is the site's
    if not found:
        raise InputError(f"host file {path} names no host")
    yield from found
