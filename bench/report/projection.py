"""A projected curve: efficiency with its interval, and the terms of a step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.report import style
from bench.report.style import Drawn
from deepgalaxy.words import counted

TERMS = {
    "compute_s": "computing",
    "contention_s": "sharing a node",
    "stragglers_s": "waiting for the slowest",
    "exchange_s": "exchange not hidden",
}


def projection_figure(table: pd.DataFrame, stem: Path, about: dict[str, Any]) -> Drawn:
    """Both panels and their numbers."""
    figure = Figure(figsize=(10.4, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    counts = table["workers"].to_numpy()
    left.fill_between(counts, table["efficiency_low"], table["efficiency_high"], color="black", alpha=0.12, lw=0)
    look = style.provenance_style("projected")
    left.plot(counts, table["efficiency"], color="black", marker="o", label="projected, 95% interval", **look)
    left.axhline(1, color="0.45", ls=(0, (1, 2)), lw=1.4)
    left.set_ylim(0, 1.1)
    baseline = int(table["baseline_workers"].iloc[0])
    left.set_ylabel(f"efficiency E (E = 1 at {counted(baseline, 'worker')}), projected")
    left.legend(frameon=False, loc="lower left")
    base = np.zeros(len(table))
    for number, (term, name) in enumerate(TERMS.items()):
        top = base + table[term].to_numpy()
        colour, hatch = style.COLOURS[(0, 4, 3, 1)[number]], style.HATCHES[number]
        right.fill_between(counts, base, top, color=colour, hatch=hatch, edgecolor="white", lw=0, alpha=0.8, label=name)
        base = top
    right.set_ylim(0)
    right.set_ylabel("seconds a step, projected")
    right.legend(facecolor="white", framealpha=1, loc="lower left", fontsize=8.5)
    for axis in (left, right):
        style.worker_axis(axis, [int(n) for n in counts])
        axis.tick_params(axis="x", labelrotation=45)
    figure.suptitle(
        f"projected: {about['backbone']} {about['resolution']}², batch {about['batch_size']}, "
        f"{about['scaling']} scaling, {about['network']}, {counted(about['workers_per_node'], 'worker')} a node",
        fontsize=10,
    )
    return style.save(figure, table, stem, "Projection", "projected efficiency and terms of a step")
