"""The table of `dgbench peers`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from bench.peers import OURS
from bench.report.tables import GIB, as_markdown, write_pair

QUESTION = "How much faster is this suite's training than what a user could run instead?"


def write(table: pd.DataFrame, folder: Path) -> list[Path]:
    """`peers.csv` and `peers.md`."""
    return write_pair(table, folder / "peers", f"# {QUESTION}\n\n{readable(table)}\n")


def readable(table: pd.DataFrame) -> str:
    """A Markdown table for people; intervals beside the values they belong to."""
    return as_markdown(pd.DataFrame([_shown(row) for row in table.to_dict("records")]))


def _shown(row: dict[str, Any]) -> dict[str, str]:
    own = row["way"] == OURS
    return {
        "network": f"{row['backbone']} {row['resolution']}² batch {row['batch_size']}",
        "workers x cores": f"{row['workers']} x {row['cores_per_worker']}",
        "way": row["way"],
        "launches": str(row["launches"]),
        "step [s]": f"{row['step_time_s']:.3f}",
        "images/s": f"{row['throughput_images_per_s']:.1f}",
        "ours is faster by": "" if own else f"{row['ratio']:.2f} [{row['ratio_low']:.2f}, {row['ratio_high']:.2f}]",
        "peak RSS [GiB]": f"{row['peak_rss_bytes'] / GIB:.2f}",
        "to the first step's end [s]": f"{row['first_step_s']:.1f}",
        "provenance": row["provenance"],
    }
