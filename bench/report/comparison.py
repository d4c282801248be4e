"""Two measurements of the same points: ratios with their intervals, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.report import style
from bench.report.style import Drawn

LOOKS = {
    "improved": ("^", "#009e73"),
    "pass": ("o", "#0072b2"),
    "inconclusive": ("D", "#e69f00"),
    "regressed": ("v", "#d55e00"),
}
"""Marker and colour of each verdict."""


def comparison_figure(rows: Sequence[dict[str, object]], effect: float, stem: Path, title: str) -> Drawn | None:
    """Ratios of throughput and memory, first over second; None where nothing could be compared.

    rows: of `bench.analysis.gate.Comparison`, as plain data
    """
    table = pd.DataFrame(rows)
    known = table[table["verdict"].isin(LOOKS)] if len(table) else table
    if known.empty:
        return None
    metrics = list(known["metric"].unique())
    counts = [int((known["metric"] == metric).sum()) for metric in metrics]
    figure = Figure(figsize=(8.4, 0.34 * max(counts) + 1.6), layout="constrained")
    axes = figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0]
    order = {point: place for place, point in enumerate(reversed(list(known["point"].unique())))}
    told: dict[str, object] = {}
    for axis, metric in zip(axes, metrics, strict=True):
        axis.axvspan(1 - effect, 1 + effect, color="0.92", lw=0)
        axis.axvline(1, color="0.45", ls=(0, (1, 2)))
        for row in known[known["metric"] == metric].to_dict("records"):
            marker, colour = LOOKS[row["verdict"]]
            reach = np.array([[row["ratio"] - row["low"]], [row["high"] - row["ratio"]]])
            bounded = np.isfinite(reach).all() and row["low"] > 0
            told[row["verdict"]] = axis.errorbar(
                row["ratio"], order[row["point"]], xerr=reach if bounded else None, fmt=marker, color=colour, capsize=3
            )
        axis.set_xlabel(f"ratio of {metric}")
    axes[0].set_yticks(list(order.values()), list(order), fontsize=8)
    axes[0].set_ylim(-0.7, len(order) - 0.3)
    figure.suptitle(title, fontsize=10)
    figure.legend(list(told.values()), list(told), loc="outside lower center", ncols=4, frameon=False)  # type: ignore[call-overload]
    return style.save(figure, known, stem, "Comparison", "ratios with 95% intervals")
