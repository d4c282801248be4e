"""Other programs' results: rows of their own in a scaling table, in no one's average and nobody's baseline."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import numpy as np
import pandas as pd

from bench.analysis.answers import ANSWER_COLUMNS
from bench.analysis.scaling import MEASURED_COLUMNS
from deepgalaxy.errors import InputError
from deepgalaxy.spec import SCHEMA_VERSION
from deepgalaxy.words import Mode, Outcome, Provenance

NOT_STATED = "not stated"


class ImportedPoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A throughput that another program printed of one of its runs. It has no ranks and no steps.

    program: whose log it is from; who, site: who ran it, and where
    batch_size: images per worker and step; cores_per_worker: 0 where it is not stated
    flaws: what is known to be wrong with the figure
    source, source_sha256: the log's name and digest; run: which of the runs in it, from 1

    Raises
    ------
    InputError: a provenance other than published, or a figure out of its range
    """

    program: str
    who: str
    site: str
    mode: Mode
    backbone: str
    resolution: int
    batch_size: int
    workers: int
    throughput_images_per_s: float
    flaws: list[str]
    source: str
    source_sha256: str
    imported_utc: str
    run: int = 1
    precision: str = NOT_STATED
    engine: str = NOT_STATED
    device: str = NOT_STATED
    cores_per_worker: int = 0
    provenance: Provenance = Provenance.PUBLISHED
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.provenance is not Provenance.PUBLISHED:
            raise InputError(f"an imported result can't be {self.provenance.value}: it is published")
        if not 0 < self.throughput_images_per_s < float("inf"):
            raise InputError(f"throughput_images_per_s {self.throughput_images_per_s} is not a positive number")
        for field, smallest in (("resolution", 1), ("batch_size", 1), ("workers", 1), ("cores_per_worker", 0)):
            if getattr(self, field) < smallest:
                raise InputError(f"{field} {getattr(self, field)} is too small: {smallest} or more is allowed")

    @property
    def name(self) -> str:
        """Short readable name, unique among the runs of its source; fit for a file, whatever a log called a network."""
        backbone = re.sub(r"[^A-Za-z0-9_-]", "_", self.backbone)
        return (
            f"{self.program}-{self.mode.value}-{backbone}-{self.resolution}px-b{self.batch_size}"
            f"-w{self.workers}-{self.source_sha256[:8]}-{self.run}"
        )

    @property
    def note(self) -> str:
        """Where it comes from and what is wrong with it, in one line."""
        who = "" if self.who == NOT_STATED else f", run by {self.who}"
        return f"from {self.source} ({self.program}{who}); known flaws: {'; '.join(self.flaws)}"


def imported_table(points: Sequence[ImportedPoint]) -> pd.DataFrame:
    """One row an imported point, in the columns of `bench.analysis.scaling.scaling_table` and `note`.

    step_time_s follows from throughput, batch and workers. There is no interval, and no speedup or efficiency, as no
    point is anybody's baseline: these are NaN, `baseline_workers` is 0. `launcher` is the program.
    """
    return pd.DataFrame([_row(point) for point in points])


def with_imported(table: pd.DataFrame, points: Sequence[ImportedPoint]) -> pd.DataFrame:
    """A scaling table with rows of imported points at its end, and a column `note`, empty for our own rows."""
    if not points:
        return table
    own = [{"note": ""} | row for row in table.to_dict("records")]
    rows = [*own, *imported_table(points).to_dict("records")]
    columns = [*(c for c in table.columns if c != "note")] or [c for c in rows[0] if c != "note"]
    return pd.DataFrame(rows, columns=[*columns, "note"])


def _row(point: ImportedPoint) -> dict[str, object]:
    speed = point.throughput_images_per_s
    row: dict[str, object] = {
        "mode": point.mode.value,
        "backbone": point.backbone,
        "resolution": point.resolution,
        "batch_size": point.batch_size,
        "precision": point.precision,
        "engine": point.engine,
        "device": point.device,
        "runtime": NOT_STATED,
        "exchange": True,
        "meet": False,
        "trainer": NOT_STATED,
        "cores_per_worker": point.cores_per_worker,
        "site": point.site,
        "launcher": point.program,
        "provenance": point.provenance.value,
        "data": point.source,
        "model": "",
        "profile": "",
        "key": "",
        "workers": point.workers,
        "outcome": Outcome.OK.value,
        "oversubscribed": False,
        "launches": 1,
        "failed_launches": 0,
        "reason": "",
    }
    row |= dict.fromkeys(MEASURED_COLUMNS, np.nan)
    row |= {
        "throughput_images_per_s": speed,
        "step_time_s": point.batch_size * point.workers / speed,
        "baseline_workers": 0,
    }
    ratios = [f"{name}{end}" for name in ("speedup", "efficiency") for end in ("", "_low", "_high")]
    return row | dict.fromkeys([*ratios, *ANSWER_COLUMNS], np.nan) | {"note": point.note}
