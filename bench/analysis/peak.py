"""How much of what its cores can do at best a point uses."""

from __future__ import annotations

from collections.abc import Iterable

from bench.analysis.comparable import MACHINE
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome

Cores = tuple[object, ...]
"""What launches have in common whose ranks had the same cores for the same kind of products."""


def best_peaks(records: Iterable[RunRecord]) -> dict[Cores, float]:
    """Floating-point operations a second of all ranks on large matrix products, the best of all launches.

    Each launch measures them for half a second after its steps, when a shared machine may be slower than it was
    during them. What the cores can do at best is what they have done in any launch.
    """
    peaks: dict[Cores, float] = {}
    for record in records:
        if record.outcome is Outcome.OK:
            found = sum(rank.gemm_flop_per_s for rank in record.ranks)
            peaks[_cores(record)] = max(found, peaks.get(_cores(record), 0.0))
    return peaks


def fraction_of_peak(images_per_s: float, record: RunRecord, peaks: dict[Cores, float]) -> float:
    """Arithmetic done over the best that the same cores did on products; NaN where that was not measured."""
    peak = peaks.get(_cores(record), 0.0)
    return images_per_s * record.ranks[0].flop_per_image / peak if peak else float("nan")


def _cores(record: RunRecord) -> Cores:
    spec = record.spec
    machine = tuple(str(record.machine.get(name)) for name in MACHINE)
    return record.site, machine, spec.device, spec.precision, spec.runtime, spec.workers, spec.cores_per_worker
