"""Speedup, throughput and efficiency against workers: the paper's Fig. 7, one panel a curve."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from bench.report import style
from bench.report.style import Drawn
from deepgalaxy.words import Outcome, Provenance, counted

SPEEDUP = "black"
THROUGHPUT = "#d55e00"
IDEAL = "0.45"

PANEL = ["mode", "backbone", "resolution", "batch_size", "precision", "engine", "device", "runtime", "exchange"]
PANEL += ["meet", "trainer", "cores_per_worker", "site"]
"""What the points of a panel share. Launchers, data and kinds of numbers are lines of their own within it."""

SAME_WORK = ["mode", "backbone", "resolution", "batch_size", "precision"]
"""What numbers of elsewhere must share with a panel to stand in it."""

MOST_PANELS = 6

WIDTH_OF_TITLE = 66
"""Letters that fit above one panel."""

Panel = tuple[dict[str, Any], pd.DataFrame]


def panels(points: pd.DataFrame) -> list[Panel]:
    """What each panel shows: curves with several counts, published numbers of the same work beside them."""
    published = points["provenance"] == Provenance.PUBLISHED.value
    elsewhere, ours = points[published], points[~published]
    found: list[Panel] = []
    used = pd.Series(False, index=elsewhere.index)
    for key, group in ours.groupby(PANEL, sort=False):
        named = dict(zip(PANEL, key, strict=True))
        same = (elsewhere[SAME_WORK] == pd.Series({name: named[name] for name in SAME_WORK})).all(axis=1)
        if group["workers"].nunique() > 1 or (same.any() and len(group)):
            used |= same
            found.append((named, pd.concat([group, elsewhere[same]]) if same.any() else group))
    for _, group in elsewhere[~used].groupby([*SAME_WORK, "site"], sort=False):
        if group["workers"].nunique() > 1:
            found.append((group.iloc[0].to_dict(), group))
    return found


def scaling_figure(points: pd.DataFrame, stem: Path, title: str) -> Drawn | None:
    """The figure and its files; None where no curve has two worker counts."""
    found = panels(points)
    if not found:
        return None
    shown = sorted(found, key=lambda panel: -panel[1]["workers"].nunique())[:MOST_PANELS]
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(5.4 * columns, 3.9 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    legend: dict[str, Any] = {}
    for axis, (named, group) in zip(axes, shown, strict=False):
        legend |= _panel(axis, named, group.sort_values("workers"))
    for axis in axes[len(shown) :]:
        axis.set_axis_off()
    more = f"\n{len(found) - len(shown)} more curves are in the table" if len(found) > len(shown) else ""
    wrapped = [textwrap.fill(line, WIDTH_OF_TITLE * columns) for line in (title + more).split("\n")]
    figure.suptitle("\n".join(wrapped), fontsize=11)
    figure.legend(
        list(legend.values()), list(legend), loc="outside lower center", ncols=2 * columns, frameon=False, fontsize=9
    )
    numbers = pd.concat([group for _, group in shown])
    alt = "; ".join(f"{style.work(named)}: {_in_words(group)}" for named, group in shown)
    return style.save(figure, numbers, stem, "Scaling", alt)


def _in_words(group: pd.DataFrame) -> str:
    good = group[group["efficiency"].notna()]
    return ", ".join(
        f"{counted(row.workers, 'worker')}: efficiency {row.efficiency:.2f} ({row.provenance})"
        for row in good.itertuples()
    )


def _panel(axis: Axes, named: dict[str, Any], group: pd.DataFrame) -> dict[str, Any]:
    """Speedup and ideal line on the left axis, throughput on the right; returns what the legend tells."""
    counts = sorted(int(n) for n in group["workers"].unique())
    ends = np.array([counts[0], counts[-1]])
    right = axis.twinx()
    (ideal,) = axis.plot(ends, ends, color=IDEAL, ls=(0, (1, 2)), lw=1.4)
    told: dict[str, Any] = {"ideal": ideal}
    for (provenance, shared), line in group.groupby(["provenance", "oversubscribed"], sort=False):
        told |= _lines(axis, right, line, str(provenance), shared=bool(shared))
    failed = group[group["outcome"] != Outcome.OK.value]
    if len(failed):
        (told["failed or skipped"],) = axis.plot(
            failed["workers"], [ends[0]] * len(failed), "X", color=style.FAILED, ms=10, clip_on=False
        )
        for row in failed.to_dict("records"):
            place = (row["workers"], ends[0])
            axis.annotate(row["outcome"], place, (0, 9), textcoords="offset points", ha="center", fontsize=8)
    _finish(axis, right, named, group, counts)
    return told


def _lines(axis: Axes, right: Axes, line: pd.DataFrame, provenance: str, *, shared: bool) -> dict[str, Any]:
    """One kind of number in a panel: speedup with its band and efficiencies, throughput."""
    told: dict[str, Any] = {}
    look = style.provenance_style(provenance)
    name = f"{provenance}, oversubscribed" if shared else provenance
    if shared:
        look |= {"ls": "", "fillstyle": "none"}
    fast = line[line["speedup"].notna()]
    if len(fast):
        if "speedup_low" in fast and not shared:
            low, high = fast["speedup_low"].astype(float), fast["speedup_high"].astype(float)
            axis.fill_between(fast["workers"], low, high, color=SPEEDUP, alpha=0.15, lw=0)
        (told[f"speedup, {name}"],) = axis.plot(
            fast["workers"], fast["speedup"], **_styled({"marker": "o", "lw": 2.2, "color": SPEEDUP}, look)
        )
        for row in fast.to_dict("records"):
            axis.annotate(
                f"{row['efficiency']:.2f}",
                (row["workers"], row["speedup"]),
                (-5, 7),
                textcoords="offset points",
                ha="right",
                color="0.35",
                fontsize=8.5,
            )
    quick = line[line["throughput_images_per_s"].notna()]
    if len(quick):
        (told[f"throughput, {name}"],) = right.plot(
            quick["workers"],
            quick["throughput_images_per_s"],
            **_styled({"marker": "s", "lw": 1.5, "ms": 5, "color": THROUGHPUT}, look),
        )
    return told


def _styled(base: dict[str, Any], look: dict[str, Any]) -> dict[str, Any]:
    return base | look


def _finish(axis: Axes, right: Axes, named: dict[str, Any], group: pd.DataFrame, counts: list[int]) -> None:
    style.worker_axis(axis, counts)
    plain = FuncFormatter(lambda value, _: f"{value:.3g}")
    for each in (axis, right):
        each.set_yscale("log", base=2)
    low, high = axis.get_ylim()
    if low > 0:
        axis.set_ylim(low / 1.6, high * 1.3)
    speeds = group[group["throughput_images_per_s"].notna()]
    known = speeds[speeds["speedup"].notna()]
    if len(known):  # one scale on both sides, throughput half an octave lower: the curves run side by side
        first = known.iloc[0]
        share = 2**0.5 * first["throughput_images_per_s"] / first["speedup"]
        right.set_ylim(*(share * limit for limit in axis.get_ylim()))
    if 0 < len(speeds) <= 4:  # powers of two would leave one tick or none
        right.set_yticks(speeds["throughput_images_per_s"])
    if speeds.empty:
        right.set_yticks([])
    for each in (axis, right):
        each.yaxis.set_major_formatter(plain)
        each.yaxis.set_minor_locator(NullLocator())
    baseline = int(group["baseline_workers"].iloc[0])
    axis.set_ylabel(f"speedup S (S = {baseline} at {counted(baseline, 'worker')})")
    right.set_ylabel("throughput [images/s]", color=THROUGHPUT)
    right.tick_params(axis="y", colors=THROUGHPUT)
    how = f", {style.way(named)}" if isinstance(named.get("engine"), str) else ""  # published ones tell none
    axis.set_title(f"{style.work(named)}{how}\n{named['site']}", fontsize=9.5)
