"""Measured peaks of memory: out of records, and those that come with the suite, from which plans predict.

`results/baselines/memory.json` is written by `dgbench memory --results DIR --save FILE`. It holds measurements, no
fitted numbers: the model is fitted when it is needed, in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import msgspec

from bench import REPOSITORY
from bench.projection.memory import Load, MemoryModel, Peak, fit
from bench.store.results import Results, write_atomically
from bench.store.summary import Summary, summarised
from deepgalaxy.errors import InputError
from deepgalaxy.networks.costs import MemoryCost, memory_costs
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec, read_json
from deepgalaxy.words import Compute, Device, Mode, Outcome, Provenance, Trainer

SHIPPED = REPOSITORY / "results" / "baselines" / "memory.json"

SOFTWARE = ("kernel", "tensorflow", "intel-extension-for-tensorflow", "horovod", "openmpi")
"""Whose versions are told beside the peaks."""


class MeasuredPeaks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Peaks, and where they come from. machine: CPU, cores and software; dates_utc: of the first and last launch."""

    machine: dict[str, str]
    dates_utc: tuple[str, str]
    points: list[Peak]
    provenance: Provenance = Provenance.MEASURED


def load_of(spec: RunSpec) -> Load | None:
    """What the memory of a point's workers depends on; None where the model is not of its kind."""
    ours = spec.trainer is Trainer.SUITE
    if spec.mode is Mode.LOAD or spec.device is not Device.CPU or spec.compute is not Compute.REAL or not ours:
        return None
    workers = 2 if spec.exchange and spec.workers > 1 else 1  # more ranks exchange through the same buffers
    return Load(
        mode=spec.mode,
        backbone=spec.backbone,
        resolution=spec.resolution,
        batch_size=spec.batch_size,
        precision=spec.precision,
        engine=spec.engine,
        workers=workers,
        optimizer=spec.optimizer,
    )


def peaks(summaries: Iterable[Summary]) -> list[Peak]:
    """The highest measured peak of every kind of point that ended well, in the order of `summaries`."""
    highest: dict[Load, int] = {}
    for summary in summaries:
        load = load_of(summary.spec)
        if load and summary.outcome is Outcome.OK and summary.provenance is Provenance.MEASURED:
            highest[load] = max(summary.peak_rss_bytes, highest.get(load, 0))
    return [Peak(load, float(peak)) for load, peak in highest.items()]


def read(path: Path) -> MeasuredPeaks:
    """Peaks from their file.

    Raises
    ------
    InputError: missing, or damaged
    """
    return read_json(path, MeasuredPeaks)


def model_of(own: Iterable[Peak]) -> MemoryModel:
    """The model of the peaks that come with the suite, and of those measured here, which win where both have one."""
    costs = memory_costs()
    points = {point.load: point for point in (*_shipped().points, *own)}
    return fit(with_costs(points.values(), costs), costs)


def with_costs(points: Iterable[Peak], costs: Mapping[str, MemoryCost]) -> list[Peak]:
    """Those of backbones whose costs are stored: the others tell the model nothing."""
    return [point for point in points if point.load.backbone in costs]


@cache
def _shipped() -> MeasuredPeaks:
    return read(SHIPPED)


def write(path: Path, measured: MeasuredPeaks) -> None:
    """Write them, a line a point.

    Raises
    ------
    InputError: it can't be written
    """
    head = msgspec.structs.asdict(msgspec.structs.replace(measured, points=[]))
    lines = ",\n".join("  " + msgspec.json.encode(point).decode() for point in measured.points)
    text = (
        msgspec.json.format(msgspec.json.encode(head), indent=1)
        .decode()
        .replace('"points": []', f'"points": [\n{lines}\n ]')
    )
    write_atomically(path, text.encode() + b"\n")


def collected(folders: Iterable[Path]) -> MeasuredPeaks:
    """Peaks of all records in some folders of results.

    Raises
    ------
    InputError: a folder that is none, or without a measured peak
    """
    records = [record for folder in folders for record in Results(_existing(folder)).records()]
    found = peaks(summarised(record, "") for record in records)
    good = [record for record in records if record.outcome is Outcome.OK]
    if not found:
        raise InputError(f"there is no measured peak in {' '.join(map(str, folders))}")
    dates = sorted(record.started_utc for record in good)
    return MeasuredPeaks(machine=_machine(good[-1]), dates_utc=(dates[0], dates[-1]), points=found)


def _existing(folder: Path) -> Path:
    if not (folder / "runs").is_dir():
        raise InputError(f"--results {folder} is no folder of results: it has no runs")
    return folder


def _machine(record: RunRecord) -> dict[str, str]:
    facts = record.machine
    software = " ".join(f"{name} {facts[name]}" for name in SOFTWARE if name in facts)
    return {"cpu": str(facts.get("cpu", "unknown")), "cores": str(facts.get("cores", "unknown")), "software": software}
