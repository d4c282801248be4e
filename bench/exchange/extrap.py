"""Results as Extra-P's JSON (github.com/extra-p/extrap): it fits functions of the worker count to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePath
from typing import Any, NamedTuple

import msgspec
import numpy as np

from bench.analysis.intervals import throughput
from bench.analysis.scaling import curve, steady_launches
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome

FEWEST_COUNTS = 5
"""Extra-P's authors ask for five values of a parameter."""

Metric = Callable[[RunRecord], float]


class ExtraP(NamedTuple):
    """files: contents of JSON files; left_out: launches without figures; few: curves with fewer counts than Extra-P
    asks for, and how many they have
    """

    files: list[bytes]
    left_out: int
    few: dict[str, int]


def as_extrap(records: Iterable[RunRecord]) -> ExtraP:
    """Parameter `workers`; one callpath a scaling curve, whose name ends with its provenance; one value a launch.

    Metrics: step_time_s, throughput_images_per_s, data_wait_s (mean of ranks, a step), peak_rss_bytes (largest of the
    ranks), and where steps were split compute_s, communication_s (what computing does not hide) and optimizer_s.
    Extra-P refuses a file whose curves have different worker counts, so these go into files of their own.
    """
    launches = list(records)
    good = [record for record in launches if record.outcome is Outcome.OK]
    curves: dict[str, list[RunRecord]] = {}
    for record in good:
        curves.setdefault(_callpath(record), []).append(record)
    alike: dict[tuple[int, ...], list[str]] = {}
    for name, group in curves.items():
        alike.setdefault(tuple(sorted({r.spec.workers for r in group})), []).append(name)
    files = [_file({name: _metrics(curves[name]) for name in names}) for names in alike.values()]
    few = {name: len(counts) for counts, names in alike.items() for name in names if len(counts) < FEWEST_COUNTS}
    return ExtraP(files, len(launches) - len(good), few)


def _file(measurements: dict[str, Any]) -> bytes:
    content = {"parameters": ["workers"], "measurements": measurements}
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _callpath(record: RunRecord) -> str:
    """All that tells a curve from others, and whether cores were shared: two curves never share a name."""
    facts = curve(record)
    parts = [
        record.spec.curve_name,
        f"{facts['cores_per_worker']}-core workers",
        *(PurePath(str(facts[name])).name for name in ("data", "model") if facts[name]),
        record.site,
        record.launcher,
        *(["oversubscribed"] if record.oversubscribed or record.spec.oversubscribe else []),
        record.provenance.value,
    ]
    return ", ".join(parts)


def _metrics(records: Sequence[RunRecord]) -> dict[str, list[dict[str, list[float]]]]:
    by_count: dict[int, list[RunRecord]] = {}
    for record in sorted(records, key=lambda r: (r.spec.workers, r.launch)):
        by_count.setdefault(record.spec.workers, []).append(record)
    return {
        name: [{"point": [float(n)], "values": [metric(r) for r in group]} for n, group in by_count.items()]
        for name, metric in _shared_metrics(records).items()
    }


def _shared_metrics(records: Sequence[RunRecord]) -> dict[str, Metric]:
    """Those that all records have: Extra-P wants every metric at every point."""
    metrics: dict[str, Metric] = {
        "step_time_s": lambda r: r.spec.global_batch_size / _speed(r),
        "throughput_images_per_s": _speed,
        "data_wait_s": lambda r: float(np.mean([rank.data_wait_s for rank in r.ranks])),
        "peak_rss_bytes": lambda r: float(max(rank.peak_rss_bytes for rank in r.ranks)),
    }
    if all(rank.split for record in records for rank in record.ranks):
        metrics |= {
            "compute_s": lambda r: _split(r)["compute_s"],
            "communication_s": lambda r: _split(r)["whole_s"] - _split(r)["alone_s"],
            "optimizer_s": lambda r: _split(r)["alone_s"] - _split(r)["compute_s"],
        }
    return metrics


def _speed(record: RunRecord) -> float:
    (steps,), images = steady_launches([record])
    return throughput(steps, images)


def _split(record: RunRecord) -> dict[str, float]:
    """Median over all ranks' steps of each kind."""
    splits = [rank.split for rank in record.ranks if rank.split is not None]
    return {
        kind: float(np.median(np.concatenate([getattr(split, kind) for split in splits])))
        for kind in ("whole_s", "alone_s", "compute_s")
    }
