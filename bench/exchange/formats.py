"""The formats of `dgbench export`, by name, and what is exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from bench.analysis.comparable import require_comparable
from bench.analysis.imported import ImportedPoint, with_imported
from bench.analysis.scaling import baseline_for, scaling_table
from bench.exchange.extrap import FEWEST_COUNTS, as_extrap
from bench.exchange.mlperf import as_mllog
from bench.exchange.tables import as_csv, as_parquet
from bench.store import imported
from bench.store.results import Results
from deepgalaxy.errors import InputError
from deepgalaxy.record import RunRecord


class Source(NamedTuple):
    """What is exported. mixed: join records of different machines or software as well"""

    records: list[RunRecord]
    imported: list[ImportedPoint]
    baseline_workers: int
    mixed: bool


class Export(NamedTuple):
    """What is to be written: one file, or several where one can't hold all.

    number: of `what` (points, launches); notes: what a reader should know
    """

    files: list[bytes]
    number: int
    what: str
    notes: list[str]


def source(folder: Path, baseline: int | None, *, mixed: bool) -> Source:
    """Everything in a folder of results. baseline: count that speedup is relative to, where one was asked for

    Raises
    ------
    InputError: there is nothing
    """
    points = imported.read(folder)
    records = list(Results(folder).records()) if (folder / "runs").is_dir() else []
    if not records and not points:
        raise InputError(f"{folder} holds no results: neither runs nor imported ones")
    counts = [record.spec.workers for record in records] or [1]
    return Source(records, points, baseline_for(counts, max(counts), baseline), mixed)


def _csv(given: Source) -> Export:
    table = _table(given)
    return Export([as_csv(table)], len(table), "points", [])


def _parquet(given: Source) -> Export:
    table = _table(given)
    return Export([as_parquet(table)], len(table), "points", [])


def _mlperf(given: Source) -> Export:
    """Every launch by itself: nothing is joined, so nothing can be mixed."""
    return Export([as_mllog(_launches(given, "MLPerf's log"))], len(given.records), "launches", _left_imported(given))


def _extrap(given: Source) -> Export:
    _require_comparable(given)
    files, left_out, few = as_extrap(_launches(given, "Extra-P"))
    notes = _left_imported(given)
    if left_out:
        notes.append(f"left out {left_out} launches that did not end well: Extra-P has no place for them")
    if len(files) > 1:
        notes.append(f"{len(files)} files: Extra-P wants the same worker counts for all curves of one")
    notes += [f"{name}: {count} worker count(s), and Extra-P asks for {FEWEST_COUNTS}" for name, count in few.items()]
    return Export(files, len(given.records) - left_out, "launches", notes)


FORMATS: dict[str, Callable[[Source], Export]] = {
    "csv": _csv,
    "parquet": _parquet,
    "mlperf": _mlperf,
    "extrap": _extrap,
}


def _table(given: Source) -> pd.DataFrame:
    _require_comparable(given)
    return with_imported(scaling_table(given.records, given.baseline_workers), given.imported)


def _require_comparable(given: Source) -> None:
    if not given.mixed:
        require_comparable(given.records)


def _launches(given: Source, what: str) -> list[RunRecord]:
    if not given.records:
        raise InputError(f"all of these results were imported: they have no launches for {what}; csv and parquet do")
    return given.records


def _left_imported(given: Source) -> list[str]:
    left = len(given.imported)
    return [f"left out {left} imported points: they have no launches"] if left else []
