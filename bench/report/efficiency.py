"""Efficiency against workers, all curves in one figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.report import style
from bench.report.scaling import panels
from bench.report.style import Drawn
from deepgalaxy.words import counted

MOST_CURVES = len(style.COLOURS)


def efficiency_figure(points: pd.DataFrame, stem: Path, baseline: int) -> Drawn | None:
    """The figure and its files; None where nothing has an efficiency besides the baseline."""
    found = [(named, group[group["efficiency"].notna()]) for named, group in panels(points)]
    found = [(named, group) for named, group in found if group["workers"].nunique() > 1][:MOST_CURVES]
    if not found:
        return None
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axis = figure.subplots()
    for number, (named, group) in enumerate(found):
        label = f"{style.work(named)}, {named['precision']}{style.at_site(named, points)}"
        for (provenance, shared), line in group.sort_values("workers").groupby(["provenance", "oversubscribed"]):
            look: dict[str, Any] = {"marker": style.MARKERS[number], "color": style.COLOURS[number]}
            look |= style.provenance_style(str(provenance))
            look |= {"ls": "", "fillstyle": "none"} if shared else {}
            value, low, high = (line[f"efficiency{side}"].to_numpy(float) for side in ("", "_low", "_high"))
            spans = np.array([value - low, high - value])
            shift = 1 + 0.012 * (number - len(found) / 2)  # intervals beside one another, not over
            axis.errorbar(
                line["workers"].to_numpy(float) * shift,
                value,
                yerr=spans,
                capsize=3,
                label=f"{label}: {provenance}{', oversubscribed' if shared else ''}",
                **look,
            )
    axis.axhline(1, color="0.45", ls=(0, (1, 2)), lw=1.4)
    style.worker_axis(axis, sorted({int(n) for _, group in found for n in group["workers"]}))
    axis.set_ylim(0, max(1.15, *(1.08 * group["efficiency"].max() for _, group in found)))
    axis.set_ylabel(f"efficiency E (E = 1 at {counted(baseline, 'worker')})")
    axis.legend(frameon=False, fontsize=8.5)
    return style.save(figure, pd.concat([g for _, g in found]), stem, "Efficiency", "efficiency against workers")
