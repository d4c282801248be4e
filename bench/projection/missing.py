"""Points of a campaign that this machine has no room for: what the model says they would do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.analysis.scaling import curve, steady_steps
from bench.projection.allreduce import Fabric
from bench.projection.constants import FRONT_LOADING, Constants, front_loading_of
from bench.projection.curve import Machine, project
from bench.projection.published import HOROVOD_FUSION_BYTES
from bench.projection.step import Work, alone
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec
from deepgalaxy.words import Mode, Outcome, Provenance


def projected_rows(
    records: Iterable[RunRecord], missing: Sequence[RunSpec], network: tuple[str, Fabric], baseline_workers: int
) -> list[dict[str, Any]]:
    """Rows in `bench.analysis.scaling.scaling_table`'s columns, `projected`, with a note of what they rest on.

    Of training points whose curve has its baseline measured; the others get none. network: its name, and what it does
    """
    bases = {
        tuple(curve(record).values()): record
        for record in records
        if (record.outcome, record.provenance) == (Outcome.OK, Provenance.MEASURED)
        and not record.oversubscribed
        and record.spec.workers == baseline_workers
    }
    rows = []
    for spec in missing:
        known = next((base for base in bases.values() if _same_curve(base.spec, spec)), None)
        if known is not None and spec.mode is Mode.TRAIN and spec.workers > baseline_workers:
            rows.append(_row(known, spec, network, baseline_workers))
    return rows


def told(row: dict[str, Any]) -> str:
    """A projected point in a few words."""
    efficiency = f"{row['efficiency']:.2f} [{row['efficiency_low']:.2f}, {row['efficiency_high']:.2f}]"
    return f"projected: efficiency {efficiency}, {row['throughput_images_per_s']:.4g} images/s ({row['note']})"


def _same_curve(one: RunSpec, other: RunSpec) -> bool:
    return one.curve_name == other.curve_name and one.cores_per_worker == other.cores_per_worker


def _row(base: RunRecord, spec: RunSpec, network: tuple[str, Fabric], baseline_workers: int) -> dict[str, Any]:
    known = Constants()
    steps = steady_steps(base).max(axis=0)
    work = Work(
        compute_s=float(steps.mean()),
        gradient_bytes=float(base.ranks[0].gradient_bytes),
        front_loading=front_loading_of(spec.backbone) or FRONT_LOADING["resnet"],
        cycle_s=0.001,
        fusion_bytes=HOROVOD_FUSION_BYTES,
        jitter=float(np.std(steps) / np.mean(steps)),
        node_share=0.5,
        contention=known.contention,
        stolen=known.stolen,
    )
    name, fabric = network
    work = alone(work, fabric, baseline_workers, spec.workers_per_node, work.compute_s)
    machine = Machine(work=work, fabric=fabric, per_node=spec.workers_per_node, batch_size=spec.batch_size)
    (row,) = project(machine, [spec.workers], baseline_workers)
    kept = {name: value for name, value in row.items() if name not in ("terms", "bottleneck")}
    return (
        curve(base)
        | kept
        | {
            "provenance": Provenance.PROJECTED.value,
            "outcome": Outcome.OK.value,
            "oversubscribed": False,
            "note": f"over {name}, {spec.workers_per_node} workers a node, from {baseline_workers} measured",
        }
    )
