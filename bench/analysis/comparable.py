"""Which records may stand in one table: those of machines and software that are equal in what matters."""

from __future__ import annotations

from collections.abc import Iterable

from deepgalaxy.errors import InputError
from deepgalaxy.probe import SLOWDOWN
from deepgalaxy.record import RunRecord
from deepgalaxy.runtime import BUCKET, LONE, NICENESS
from deepgalaxy.words import Outcome

MACHINE = ("cpu", "instructions", "cores", "numa_nodes", "caches", "governor", "huge_pages")
"""What makes two machines the same one."""

MATTERS = (
    *MACHINE,
    "kernel",
    *("tensorflow", "intel-extension-for-tensorflow", "horovod", "openmpi"),
)
"""Facts about machine and software that a speed depends on. Load and frequency change by themselves; they are
recorded, and do not decide."""

RANKS_OWN = (
    *("GLIBC_TUNABLES", "LD_PRELOAD", "HOROVOD_CYCLE_TIME", "HOROVOD_FUSION_THRESHOLD", "OMPI_MCA_btl"),
    *("TF_ENABLE_ONEDNN_OPTS", "TF_NUM_INTEROP_THREADS", "OMPI_MCA_coll_tuned_allreduce_algorithm"),
    *(BUCKET, LONE, NICENESS, SLOWDOWN),
)
"""Settings in the ranks' environment that a speed depends on, and that no field of the spec holds."""


REMEDY = "--mixed joins them all the same"


def require_comparable(records: Iterable[RunRecord], remedy: str = REMEDY) -> None:
    """See to it that records of one site are of equal machines and software.

    remedy: what can be done where they are not, for the error

    A fact that either record lacks, as those of older versions do, does not tell them apart.

    Raises
    ------
    InputError: two differ; names the fact, both values and both launches
    """
    first: dict[tuple[str, str], tuple[object, RunRecord]] = {}
    for record in records:
        if record.outcome is not Outcome.OK:
            continue
        for name, value in facts(record).items():
            before, other = first.setdefault((record.site, name), (value, record))
            if before != value:
                raise InputError(
                    f"records of site {record.site} differ in {name}: {before!r} ({_which(other)}) and {value!r} "
                    f"({_which(record)}); {remedy}"
                )


def require_distinct(records: Iterable[RunRecord]) -> None:
    """See to it that no launch is there twice, as after copying folders: it would count as two, and narrow intervals.

    Raises
    ------
    InputError: two records are of the same launch; says which
    """
    seen: dict[tuple[object, ...], RunRecord] = {}
    for record in records:
        if record.outcome is Outcome.OK:
            times = tuple(tuple(rank.step_time_s) for rank in record.ranks)
            known = seen.setdefault((record.spec.key, record.site, record.launch, record.started_utc, times), record)
            if known is not record:
                raise InputError(f"{_which(record)}, is there twice, to the last step time; remove one of its folders")


def facts(record: RunRecord) -> dict[str, object]:
    """What matters of a record's machine, software and settings."""
    found = {name: record.machine[name] for name in MATTERS if name in record.machine}
    if record.ranks and record.machine:
        settings = record.ranks[0].environment
        found |= {name: settings.get(name, "") for name in RANKS_OWN}
    return found


def _which(record: RunRecord) -> str:
    return f"{record.spec.name}, launch {record.launch}, {record.started_utc}"
