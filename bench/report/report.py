"""The report of a campaign: tables, figures and the page, from all stored records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd

from bench.analysis.comparable import REMEDY, require_comparable, require_distinct
from bench.analysis.findings import Findings, find
from bench.analysis.imported import imported_table
from bench.report.efficiency import efficiency_figure
from bench.report.memory import phase_figure, resolution_figure
from bench.report.page import write_page
from bench.report.precision import precision_figure
from bench.report.scaling import scaling_figure
from bench.report.steps import breakdown_figure, skew_figure
from bench.report.style import Drawn
from bench.report.tables import notes, readable, readable_precisions, write_precisions, write_tables
from bench.store import imported
from bench.store.published import paper_memory, paper_scaling
from bench.store.results import Results
from deepgalaxy.record import RunRecord
from deepgalaxy.spec import RunSpec


def report(
    results: Results,
    question: str,
    baseline_workers: int,
    *,
    mixed: bool = False,
    remedy: str = REMEDY,
    planned: Sequence[RunSpec] = (),
    elsewhere: pd.DataFrame | Callable[[list[RunRecord]], pd.DataFrame | None] | None = None,
) -> tuple[str, list[Path]]:
    """Write tables, figures and the page from all stored records; returns the printed table and the files.

    mixed: join also records of one site whose machines or software differ
    remedy: what can be done where they do, for the error
    planned: points of the campaign, so that those not run yet are told
    elsewhere: rows that were not measured here (projected, published), see `bench.analysis.findings.find`;
        or what makes them of the records

    Raises
    ------
    InputError: records differ in what matters, and nobody asked for it
    """
    records = list(results.records())
    elsewhere = elsewhere(records) if callable(elsewhere) else elsewhere
    require_distinct(records)
    if not mixed:
        require_comparable(records, remedy)
    rows = [paper_scaling_of(records), imported_table(imported.read(results.folder)), elsewhere]
    known = [table for table in rows if table is not None and not table.empty]
    findings = find(records, baseline_workers, planned=planned, elsewhere=pd.concat(known) if known else None)
    table = findings.points
    if table.empty:
        return "no records yet", []
    files = write_tables(table, results.folder, question)
    figures = _figures(findings, results.folder, f"{question}\n{_where(records)}", baseline_workers)
    files += [path for drawn in figures for path in drawn.files if path.suffix != ".svg"]
    text = f"{readable(table).to_string(index=False)}\n\n{notes(table)}"
    if not findings.precisions.empty:
        files += write_precisions(findings.precisions, results.folder)
        text += f"\n\n{readable_precisions(findings.precisions).to_string(index=False)}"
    name = results.folder.name
    page = write_page(
        findings, figures, results.folder, question=question, baseline_workers=baseline_workers, name=name
    )
    return text, [*files, page]


def paper_scaling_of(records: Sequence[RunRecord]) -> pd.DataFrame:
    """The paper's efficiencies, where some record is of its work: EfficientNetB4 on 1024², batch 8."""
    published = paper_scaling()
    work = {(r.spec.mode.value, r.spec.backbone, r.spec.resolution, r.spec.batch_size) for r in records}
    names = ["mode", "backbone", "resolution", "batch_size"]
    return published[[tuple(row) in work for row in published[names].itertuples(index=False)]]


def _figures(findings: Findings, folder: Path, title: str, baseline_workers: int) -> list[Drawn]:
    """All that there is something to draw for."""
    drawn = (
        scaling_figure(findings.points, folder / "scaling", title),
        efficiency_figure(findings.points, folder / "efficiency", baseline_workers),
        precision_figure(findings.precisions, folder / "precision-bars"),
        breakdown_figure(findings.breakdown, folder / "step"),
        skew_figure(findings.skew, folder / "ranks"),
        resolution_figure(findings.points, paper_memory(), folder / "memory"),
        phase_figure(findings.phases, folder / "phases"),
    )
    return [figure for figure in drawn if figure is not None]


def _where(records: Sequence[RunRecord]) -> str:
    """Machine and day, for a title."""
    machine = next((record.machine for record in reversed(records) if record.machine), {})
    day = datetime.now(timezone.utc).date()
    return ", ".join(str(part) for part in (machine.get("cpu", ""), machine.get("hostname", ""), day) if part)
