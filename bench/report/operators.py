"""What `dgbench profile` prints and writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bench.report.tables import GIB, as_markdown, write_pair

GIGA = 1e9
MILLI = 1e-3


def write(facts: dict[str, Any], table: pd.DataFrame, phases: pd.DataFrame, folder: Path) -> list[Path]:
    """`<point>.csv` and `<point>.md` with all operators, `<point>-first-step.csv` and `.md`."""
    stem = folder / facts["point"]
    text = readable(facts, table, phases, len(table)) + "\n"
    first = write_pair(phases, folder / f"{facts['point']}-first-step", readable_phases(phases) + "\n")
    return [*write_pair(table, stem, text), *first]


def readable(facts: dict[str, Any], table: pd.DataFrame, phases: pd.DataFrame, top: int) -> str:
    """The longest operators, what they are to be read beside, and the phases before the first step."""
    rest = f"\n\n{len(table) - top} more operators are in the files." if len(table) > top else ""
    return "\n\n".join(
        [
            f"{facts['point']}: step {facts['step_time_s']:.4f} s, operators {facts['operators_s']:.4f} s on rank 0 "
            f"(under the profiler, some side by side); {facts['flop'] / GIGA:.1f} GFLOP a step, "
            f"{_number(facts['fraction_of_peak'], '.0%')} of the {facts['gemm_flop_per_s'] / GIGA:.0f} GFLOP/s of "
            f"large matrix products here; {facts['provenance']}",
            as_markdown(pd.DataFrame([_shown(row) for row in table.head(top).to_dict("records")])) + rest,
            "To the first step's end:",
            readable_phases(phases),
        ]
    )


def readable_phases(phases: pd.DataFrame) -> str:
    """A Markdown table of what goes before the first step."""
    rows = [
        {
            "phase": row["phase"],
            "what": row["what"],
            "time [s]": f"{row['time_s']:.2f}",
            "peak RSS by its end [GiB]": _number(row["peak_rss_bytes"] / GIB, ".2f"),
        }
        for row in phases.to_dict("records")
    ]
    return as_markdown(pd.DataFrame(rows))


def _shown(row: dict[str, Any]) -> dict[str, str]:
    return {
        "operator": row["operator"],
        "runs": f"{row['count']:.0f}",
        "time [ms]": f"{row['time_s'] / MILLI:.2f}",
        "share": f"{row['share']:.1%}",
        "GFLOP/s": _number(row["flop_per_s"] / GIGA, ".1f"),
        "of peak": _number(row["fraction_of_peak"], ".0%"),
        "GB/s": _number(row["bytes_per_s"] / GIGA, ".1f"),
    }


def _number(value: float, form: str) -> str:
    return format(value, form) if value == value else "-"
