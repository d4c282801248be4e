"""Inside a step: its parts, and how ranks differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.report import style
from bench.report.style import Drawn
from deepgalaxy.words import counted

PARTS = {
    "compute_s": "forward and backward pass",
    "optimizer_s": "optimizer",
    "exchange_s": "communication not hidden",
    "data_wait_s": "waiting for data",
}

MOST_ROWS = 16


def breakdown_figure(breakdown: pd.DataFrame, stem: Path) -> Drawn | None:
    """Bars of a step's parts; None where no step was split."""
    if breakdown.empty:
        return None
    shown = breakdown.iloc[:MOST_ROWS]
    figure = Figure(figsize=(7.8, 0.42 * len(shown) + 1.7), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(shown))[::-1]
    left = np.zeros(len(shown))
    for number, (part, name) in enumerate(PARTS.items()):
        width = shown[part].clip(lower=0).to_numpy(float)  # a difference of noise alone may be below nothing
        axis.barh(
            places,
            width,
            left=left,
            color=style.COLOURS[(0, 4, 1, 2)[number]],
            hatch=style.HATCHES[number],
            edgecolor="white",
            lw=0.5,
            label=name,
        )
        left = left + width
    axis.plot(shown["step_time_s"], places, "k|", ms=14, mew=2, label="measured step")
    labels = []
    for row in shown.to_dict("records"):
        where = f"{style.work(row)}{style.at_site(row, shown)}"
        labels.append(f"{where}\n{row['precision']}, {counted(row['workers'], 'worker')}, {row['provenance']}")
    axis.set_yticks(places, labels, fontsize=8)
    axis.set_xlabel("seconds a step")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return style.save(figure, shown, stem, "Inside a step", "seconds a step by part")


def skew_figure(skew: pd.DataFrame, stem: Path) -> Drawn | None:
    """Each rank's own work against the middle rank's; None where no run has two ranks."""
    several = skew[skew["workers"] > 1] if len(skew) else skew
    if several.empty:
        return None
    names = ["mode", "backbone", "resolution", "batch_size", "precision", "engine", "workers", "site", "launcher"]
    runs = [run for _, run in several.groupby(names, sort=False)][:MOST_ROWS]
    figure = Figure(figsize=(7.8, 0.36 * len(runs) + 1.4), layout="constrained")
    axis = figure.subplots()
    for place, run in enumerate(reversed(runs)):
        axis.plot(100 * (run["relative"] - 1), [place] * len(run), "o", color=style.COLOURS[0], alpha=0.7, ms=6)
        last = run.loc[run["relative"].idxmax()]
        axis.annotate(
            f"rank {last['rank']}",
            (100 * (last["relative"] - 1), place),
            (6, 4),
            textcoords="offset points",
            fontsize=8,
        )
    firsts = [run.iloc[0].to_dict() for run in reversed(runs)]
    labels = [
        f"{style.work(row)}, {row['precision']}, {counted(row['workers'], 'worker')}{style.at_site(row, several)}"
        for row in firsts
    ]
    axis.set_yticks(range(len(runs)), labels, fontsize=8)
    axis.set_ylim(-0.7, len(runs) - 0.3)
    axis.axvline(0, color="0.45", ls=(0, (1, 2)))
    axis.margins(x=0.15)
    axis.set_xlabel("a rank's own work, over that of the middle rank [%]")
    axis.grid(alpha=0.25, axis="x")
    return style.save(
        figure, pd.concat(runs), stem, "Ranks beside one another", "work of each rank relative to the median"
    )
