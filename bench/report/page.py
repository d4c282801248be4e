"""One self-contained HTML page of a campaign: figures inside, tables, environment, failures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import pandas as pd

from bench.analysis.findings import Findings
from bench.report.style import GIB, Drawn
from bench.report.tables import notes, readable, readable_precisions
from bench.store.results import write_atomically
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome, counted

MOST_ROWS = 400
MOST_FAILURES = 100

REMEDIES = {
    Outcome.OOM: "fewer workers a node, a smaller batch, or --force once more where memory has become free",
    Outcome.TIMEOUT: "a longer limit in the site file, or fewer steps",
    Outcome.HANG: "the log of the rank that stopped first; `dgbench retry --outcome hang`",
    Outcome.RANK_LOST: "the rank's log; `dgbench retry --outcome rank_lost`",
    Outcome.LAUNCH_FAILED: "the launcher's own words in the log, and `dgbench validate` of the site",
    Outcome.BAD_RESULT: "the reason names what was asked and what ran",
    Outcome.INTERRUPTED: "`dgbench resume` goes on",
    Outcome.SKIPPED: "a site with more slots or memory, or --oversubscribe",
}
"""What a reader can do about each end."""

PROVENANCES = {
    "measured": "real ranks, real compute, real communication",
    "emulated": "real ranks and communication, compute replaced by a wait",
    "projected": "a scaling model's",
    "published": "somebody's paper or log",
}


def write_page(
    findings: Findings, figures: Sequence[Drawn], folder: Path, *, question: str, baseline_workers: int, name: str
) -> Path:
    """`report.html` in `folder`; everything that it shows is inside."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("bench.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    points = findings.points
    page = environment.get_template("page.html.j2").render(
        name=name,
        question=question,
        baseline=counted(baseline_workers, "worker"),
        made=datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        sites=sorted(points["site"].astype(str).unique()),
        counts=_counts(findings),
        provenances={kind: PROVENANCES[kind] for kind in PROVENANCES if (points["provenance"] == kind).any()},
        figures={drawn.title: drawn for drawn in figures},
        points=_rows(readable(points.head(MOST_ROWS))),
        left_out=max(0, len(points) - MOST_ROWS),
        notes=notes(points).split("\n\n")[:MOST_FAILURES],
        precisions=_rows(readable_precisions(findings.precisions)),
        more=_rows(_more(points)),
        first=_rows(_first(findings.first_steps)),
        facts={name: [_told(value) for value in values] for name, values in findings.facts.items()},
        failures=[_failure(record) for record in findings.failures[:MOST_FAILURES]],
        failures_left_out=max(0, len(findings.failures) - MOST_FAILURES),
        pending=findings.pending,
        split=not findings.breakdown.empty,
    )
    path = folder / "report.html"
    write_atomically(path, page.encode())
    return path


def _counts(findings: Findings) -> dict[str, int]:
    """Points by how they ended, those of elsewhere by what they are."""
    points = findings.points
    ours = points["provenance"].isin(["measured", "emulated"])
    counts = points[ours]["outcome"].value_counts().to_dict()
    counts |= points[~ours]["provenance"].value_counts().to_dict()
    if findings.pending:
        counts["not run yet"] = len(findings.pending)
    return {str(name): int(count) for name, count in counts.items()}


def _rows(shown: pd.DataFrame) -> dict[str, Any]:
    """A table of texts for the template."""
    return {"columns": list(shown.columns), "rows": shown.astype(str).to_numpy().tolist()}


def _more(points: pd.DataFrame) -> pd.DataFrame:
    """What the cores gave, of points that tell."""
    rows = [
        {
            "point": f"{row['mode']} {row['backbone']} {row['resolution']}px b{row['batch_size']} {row['precision']}",
            "engine": str(row["engine"]),
            "workers": str(row["workers"]),
            "images per core-hour": f"{row['images_per_core_hour']:,.0f}",
            "of GEMM peak": "not measured" if pd.isna(row["fraction_of_peak"]) else f"{row['fraction_of_peak']:.1%}",
            "PSS of all ranks [GiB]": f"{row['total_pss_bytes'] / GIB:.2f}",
            "provenance": row["provenance"],
        }
        for row in points[points["images_per_core_hour"].notna()].head(MOST_ROWS).to_dict("records")
    ]
    return pd.DataFrame(rows)


def _first(steps: pd.DataFrame) -> pd.DataFrame:
    """What goes before each point's first step, by phase."""
    names = {
        "start": "interpreter",
        "import": "TensorFlow",
        "connect": "Horovod",
        "build": "network, data",
        "trace": "graph",
        "first_step": "first step",
        "all": "all",
    }
    rows = [
        {"point": f"{row['mode']} {row['backbone']} {row['resolution']}px b{row['batch_size']} {row['precision']}"}
        | {"engine": str(row["engine"]), "workers": str(row["workers"])}
        | {f"{label} [s]": "-" if pd.isna(row[name]) else f"{row[name]:.1f}" for name, label in names.items()}
        | {"provenance": row["provenance"]}
        for row in steps.head(MOST_ROWS).to_dict("records")
    ]
    return pd.DataFrame(rows)


def _failure(record: RunRecord) -> dict[str, str]:
    return {
        "point": record.spec.name,
        "launch": str(record.launch),
        "outcome": record.outcome.value,
        "reason": record.reason,
        "log": record.log,
        "remedy": REMEDIES[record.outcome],
    }


def _told(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
