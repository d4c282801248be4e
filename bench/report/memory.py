"""Memory: against resolution with what the paper says, and by phase of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from bench.report import style
from bench.report.style import GIB, Drawn
from deepgalaxy.words import counted

CURVE = ["mode", "backbone", "batch_size", "precision", "provenance"]

PHASES = {"start": "start", "import": "imports", "connect": "Horovod", "build": "network", "trace": "tracing"}
PHASES |= {"first_step": "first step", "measure": "steps"}

MOST_RUNS = 8


def resolution_figure(points: pd.DataFrame, published: pd.DataFrame, stem: Path) -> Drawn | None:
    """Peak memory of a rank against image edge; None where it is not known at two edges or more."""
    ours = points[points["peak_rss_bytes"].notna() & (points["resolution"] > 0)]
    if ours["resolution"].nunique() < 2:
        return None
    shown = published[published["mode"].isin(ours["mode"])]
    everything = pd.concat([ours, shown])
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axis = figure.subplots()
    peaks = everything.groupby(CURVE + ["resolution"], sort=False, dropna=False)["peak_rss_bytes"].max().reset_index()
    names: dict[tuple[object, ...], int] = {}
    for key, line in peaks.groupby(CURVE, sort=False, dropna=False):
        *name, precision, provenance = key
        number = names.setdefault((*name, precision), len(names)) % len(style.COLOURS)
        look: dict[str, Any] = {"marker": style.MARKERS[number], "color": style.COLOURS[number]}
        look |= style.provenance_style(str(provenance))
        how = "" if precision != precision else f", {precision}"
        label = f"{name[0]} {name[1]}, batch {name[2]:.0f}{how}: {provenance}"
        axis.plot(line["resolution"], line["peak_rss_bytes"] / GIB, label=label, **look)
    _scales(axis, sorted(int(r) for r in peaks["resolution"].unique()))
    axis.legend(frameon=False, fontsize=8, ncols=1 if len(names) < 9 else 2)
    return style.save(figure, peaks, stem, "Memory and resolution", "peak resident memory of a rank against image edge")


def _scales(axis: Axes, edges: list[int]) -> None:
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.set_xticks(edges)
    for side in (axis.xaxis, axis.yaxis):
        side.set_major_formatter(plain)
        side.set_minor_locator(NullLocator())
    axis.set_xlabel("image edge [pixels]")
    axis.set_ylabel("peak RSS of a rank [GiB]")
    axis.grid(alpha=0.25)


def phase_figure(phases: pd.DataFrame, stem: Path) -> Drawn | None:
    """What a rank holds at the end of each phase: its own (PSS) and the most until then (RSS)."""
    known = phases[phases["phase"].isin(PHASES)] if len(phases) else phases
    runs = (
        [
            run
            for _, run in known.groupby(
                ["mode", "backbone", "resolution", "batch_size", "precision", "engine", "workers"], sort=False
            )
        ]
        if len(known)
        else []
    )
    runs = runs[:MOST_RUNS]
    if not runs:
        return None
    figure = Figure(figsize=(7.4, 4.2), layout="constrained")
    axis = figure.subplots()
    order = list(PHASES)
    for number, run in enumerate(runs):
        row = run.iloc[0].to_dict()
        places = [order.index(phase) for phase in run["phase"]]
        look: dict[str, Any] = {
            "marker": style.MARKERS[number],
            "color": style.COLOURS[number],
            "ls": style.LINES[number],
        }
        label = f"{style.work(row)}, {row['precision']}, {row['engine']}, {counted(row['workers'], 'worker')}"
        axis.plot(places, run["peak_rss_bytes"] / GIB, label=label, **look)
    axis.set_xticks(range(len(order)), [PHASES[phase] for phase in order])
    axis.set_ylabel("peak RSS of a rank until then [GiB]")
    axis.set_ylim(0)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, fontsize=8)
    return style.save(figure, pd.concat(runs), stem, "Memory by phase", "peak resident memory at the end of each phase")
