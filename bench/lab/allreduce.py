"""Real allreduce times on a lab against the ideal ring: by hosts, rate, delay, and what does the summing.

Each point is an ordinary run of emulated compute whose step is a moment's wait and one gradient, so launchers, ranks
and records are those of every campaign.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.exchange import exchange_times_s
from bench.lab.links import Link, ideal_ring_s
from bench.lab.network import LOGIN, Lab
from bench.lab.run import raised, run_on
from bench.lab.site import Way, site_name, write_site
from bench.report.tables import as_markdown, write_pair
from bench.store.results import Results, write_atomically
from deepgalaxy.profile import ComputeProfile, GradientReady, write_profile
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome

MOMENT_S = 0.01
"""Of waiting before each exchange, so that all ranks are there when it begins."""

WAYS = {
    "Open MPI, its choice": Way("mpirun", ring=False),
    "Open MPI, ring": Way("mpirun", ring=True),
    "Gloo": Way("horovodrun", ring=False),
}
"""What sums: Horovod over MPI with the algorithm that Open MPI chooses or its ring, and over Gloo."""

CAMPAIGN = """\
name = "allreduce"
question = "How long do allreduces of {payload_bytes} bytes take?"
baseline_workers = 1
settings = {{ mode = "train", profile = "{profile}", steps = {rounds}, warmup_steps = 2 }}
[[points]]
workers = [{counts}]
"""
NOTE = (
    "Median seconds of {rounds} allreduces of {megabytes:g} MB of float32 by Horovod, in brackets over the ideal ring: "
    "2 (N-1)/N of the bytes on each link, and 2 (N-1) delays. Percent: busy share of all cores of the machine "
    "meanwhile. * the cores and not the links may limit: no conclusion about the network. Provenance: emulated links."
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """counts: of hosts; payload_bytes: of the gradient"""

    counts: Sequence[int]
    links: Sequence[Link]
    payload_bytes: int
    rounds: int


def measure(lab: Lab, wanted: Wanted, results: Results) -> int:
    """Run all points; returns the worst exit code."""
    campaign = _campaign(lab.folder, wanted)
    worst = 0
    with raised(lab, max(wanted.counts), wanted.links[0], {}):
        for link in wanted.links:
            lab.shape(link)
            for way in WAYS.values():
                site = write_site(lab, way)
                command = [sys.executable, "-m", "bench.cli", "resume", str(campaign), "--site", str(site)]
                command += ["--hostfile", str(lab.folder / "hostfile"), "--results", str(results.folder.resolve())]
                print(f"{site.stem}, {way.launcher}", file=sys.stderr, flush=True)
                worst = max(worst, run_on(lab, LOGIN, command, quiet=True))
    return worst


def allreduce_table(records: Sequence[RunRecord], links: Sequence[Link]) -> pd.DataFrame:
    """One row a point on one of these links that ended well: median, ideal, their ratio, busy share of the machine."""
    rows = []
    for link in links:
        for name, way in WAYS.items():
            site = site_name(link, {}, way)
            for record in records:
                if (record.site, record.launcher) == (site, way.launcher) and record.outcome is Outcome.OK:
                    rows.append(_row(record, link, name))
    table = pd.DataFrame(rows)
    return (
        table if table.empty else table.sort_values(["rate", "delay", "way", "hosts"], ignore_index=True, kind="stable")
    )


def write_table(results: Results, wanted: Wanted) -> tuple[str, list[Path]]:
    """`allreduce.csv`, a row a point, and `allreduce.md`, a column a count; and the text to print."""
    table = allreduce_table(list(results.records()), wanted.links)
    if table.empty:
        return "no point ended well", []
    order = [link.name for link in wanted.links]
    table["cell"] = [
        f"{row['median_s']:.3f} ({row['over_ideal']:.2f}), {row['machine_busy_share']:.0%}{'*' * row['cores_limit']}"
        for row in table.to_dict("records")
    ]
    keys = sorted(
        {(row["link"], row["way"]) for row in table.to_dict("records")},
        key=lambda key: (order.index(key[0]), list(WAYS).index(key[1])),
    )
    shown = table.pivot(index=["link", "way"], columns="hosts", values="cell").reindex(keys).fillna("-")
    shown.columns = [f"{count} hosts" for count in shown.columns]
    text = shown.reset_index()
    note = NOTE.format(rounds=wanted.rounds, megabytes=wanted.payload_bytes / 1e6)
    markdown = f"# Allreduces against the ideal ring\n\n{as_markdown(text)}\n\n{note}\n"
    files = write_pair(table.drop(columns="cell"), results.folder / "allreduce", markdown)
    return f"{text.to_string(index=False)}\n\n{note}", files


def _row(record: RunRecord, link: Link, way: str) -> dict[str, object]:
    times = exchange_times_s(record)
    payload = record.ranks[0].gradient_bytes
    ideal = ideal_ring_s(payload, record.spec.workers, link)
    median = float(np.median(times))
    return {
        "link": link.name,
        "rate": link.rate,
        "delay": link.delay,
        "way": way,
        "hosts": record.spec.workers,
        "payload_bytes": payload,
        "median_s": median,
        "least_s": float(times.min()),
        "most_s": float(times.max()),
        "ideal_ring_s": ideal,
        "over_ideal": median / ideal if ideal else float("nan"),
        "machine_busy_share": max(rank.machine_busy_share for rank in record.ranks),
        "cores_limit": record.oversubscribed,
        "provenance": record.provenance.value,
    }


def _campaign(folder: Path, wanted: Wanted) -> Path:
    """The campaign's file, and beside it the profile of a step that only exchanges."""
    elements = wanted.payload_bytes // 4
    name = f"allreduce-{wanted.payload_bytes}"
    write_profile(
        ComputeProfile(
            backbone="Small",
            resolution=32,
            batch_size=1,
            forward_s=MOMENT_S,
            backward_s=1e-6,
            step_jitter=[1.0],
            gradients=[GradientReady(elements=elements, ready_s=0.0)],
        ),
        folder / f"{name}.json",
    )
    text = CAMPAIGN.format(
        payload_bytes=wanted.payload_bytes,
        profile=folder / f"{name}.json",
        rounds=wanted.rounds,
        counts=", ".join(map(str, wanted.counts)),
    )
    path = folder / f"{name}.toml"
    write_atomically(path, text.encode())
    return path
