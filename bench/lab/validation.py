"""Does the projection foresee what the lab then shows? Calibrated on one and two hosts, held against more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from bench.analysis.calibration import calibration_of
from bench.analysis.scaling import steady_steps
from bench.lab.links import Link
from bench.lab.network import Lab
from bench.lab.run import Wanted as WantedLab
from bench.lab.run import run_campaign
from bench.lab.site import Way, site_name
from bench.projection.inputs import calibrated, work_from
from bench.projection.step import step
from bench.report.tables import as_markdown, write_pair
from bench.store.results import Results, write_atomically
from deepgalaxy.errors import InputError
from deepgalaxy.profile import read_profile
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome

WAYS = {"Open MPI, ring": Way("mpirun", ring=True), "Gloo": Way("horovodrun", ring=False)}

CAMPAIGN = """\
name = "lab-validation"
question = "Does the projection foresee the steps of more hosts, calibrated on one and two?"
baseline_workers = 1
[settings]
mode = "train"
steps = {steps}
warmup_steps = 2
[[points]]
profile = {profiles}
workers = [1, 2]
allreduce_rounds = {rounds}
[[points]]
profile = {profiles}
workers = {counts}
"""
NOTE = (
    "Step time [s] and efficiency of emulated compute on real ranks, real gradients and links of the lab, and as "
    "projected from one and two hosts alone. * the cores and not the links may limit: left out of the errors."
)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """counts: of hosts that are predicted; profiles: files; rounds: exchanges of each size on one and two hosts"""

    counts: Sequence[int]
    links: Sequence[Link]
    profiles: Sequence[Path]
    steps: int
    rounds: int = 5


def measure(lab: Lab, wanted: Wanted, results: Results) -> int:
    """Run all points that are missing; returns the worst exit code."""
    path = lab.folder / "lab-validation.toml"
    profiles = "[" + ", ".join(f'"{profile.resolve()}"' for profile in wanted.profiles) + "]"
    text = CAMPAIGN.format(
        steps=wanted.steps, rounds=wanted.rounds, profiles=profiles, counts=[n for n in wanted.counts if n > 2]
    )
    write_atomically(path, text.encode())
    options = ["--results", str(results.folder.resolve())]
    return max(
        run_campaign(
            lab,
            WantedLab(hosts=max(wanted.counts), links=wanted.links, own_links={}, slow_hosts={}, way=way),
            str(path),
            options,
            verb="resume",
        )
        for way in WAYS.values()
    )


def errors_table(records: Sequence[RunRecord], wanted: Wanted) -> pd.DataFrame:
    """One row a count beyond two hosts: emulated beside projected, by backbone, link and way.

    error: of the projected step time, as a share of the emulated one; cores_limit: such a row proves nothing
    """
    profiles = {path.name: read_profile(path) for path in wanted.profiles}
    rows = []
    for name, profile in profiles.items():
        for link in wanted.links:
            for told, way in WAYS.items():
                here = {
                    record.spec.workers: record
                    for record in records
                    if record.site == site_name(link, {}, way)
                    and record.launcher == way.launcher
                    and Path(record.spec.profile).name == name
                    and record.outcome is Outcome.OK
                }
                if {1, 2} <= set(here):
                    which = {"backbone": profile.backbone, "link": link.name, "way": told}
                    rows += [which | row for row in _against(here, wanted.counts)]
    return pd.DataFrame(rows)


def _against(here: dict[int, RunRecord], counts: Sequence[int]) -> list[dict[str, object]]:
    """Predicted and emulated steps of one backbone on one network."""
    profile = read_profile(Path(here[1].spec.profile))
    calibration = calibration_of([here[1]], [here[2]], profile)
    steps = np.array(calibration.step_time_s)
    work = work_from(
        float(steps.mean()),
        [(g.elements, g.ready_s) for g in profile.gradients],
        profile.backward_s,
        float(np.std(profile.step_jitter)),
    )
    machine = calibrated(calibration, work, profile.batch_size, 1, None)
    fabric = replace(machine.fabric, shared_cores=here[1].machine.get("cores", 0))  # all hosts are this machine
    rows = []
    for count in sorted(set(counts) & set(here)):
        emulated = float(steady_steps(here[count]).max(axis=0).mean())
        projected = float(step(count, 1, machine.work, fabric).total_s)
        rows.append(
            {
                "hosts": count,
                "step_time_s": emulated,
                "projected_step_time_s": projected,
                "error": projected / emulated - 1,
                "efficiency": float(steps.mean()) / emulated,
                "projected_efficiency": float(steps.mean()) / projected,
                "machine_busy_share": max(rank.machine_busy_share for rank in here[count].ranks),
                "cores_limit": here[count].oversubscribed,
                "provenance": "emulated, projected",
            }
        )
    return rows


def write_table(results: Results, wanted: Wanted) -> tuple[str, list[Path]]:
    """`validation.csv` and `validation.md`; and the text to print.

    Raises
    ------
    InputError: no network with both one and two hosts measured
    """
    table = errors_table(list(results.records()), wanted)
    if table.empty:
        raise InputError(f"{results.folder} has no network on which one host and two ended well")
    shown = table.assign(
        hosts=[f"{row.hosts}{'*' * row.cores_limit}" for row in table.itertuples()],
        error=[f"{100 * error:+.1f}%" for error in table["error"]],
        machine_busy_share=[f"{share:.0%}" for share in table["machine_busy_share"]],
    ).drop(columns=["cores_limit", "provenance"])
    counted = table[~table["cores_limit"]]["error"].abs()
    summary = "the cores may limit every point: nothing follows for the links"
    if len(counted):
        summary = (
            f"{len(counted)} points that links limit: median error {counted.median():.1%}, "
            f"largest {counted.max():.1%}, {(counted <= 0.1).mean():.0%} within 10%"
        )
    markdown = f"# Projected against emulated\n\n{as_markdown(shown.round(3))}\n\n{NOTE}\n\n{summary}\n"
    files = write_pair(table, results.folder / "validation", markdown)
    return f"{shown.round(3).to_string(index=False)}\n\n{NOTE}\n{summary}", files
