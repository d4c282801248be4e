"""The scaling figure in the style of the paper's Fig. 7: one panel a curve."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from bench.analysis.scaling import CURVE
from bench.store.results import write_atomically
from deepgalaxy.networks.catalogue import NO_BACKBONE

matplotlib.use("Agg")

SPEEDUP = "black"
THROUGHPUT = "#d55e00"  # the orange of Okabe & Ito's palette for colour-blind readers
IDEAL = "0.45"


def write_figure(table: pd.DataFrame, folder: Path, title: str) -> list[Path]:
    """`scaling.png` and `scaling.pdf` in `folder`; none where no curve has two worker counts."""
    curves = [
        (dict(zip(CURVE, key, strict=True)), points)
        for key, points in table.groupby(CURVE, sort=False)
        if points["workers"].nunique() > 1
    ]
    if not curves:
        return []
    figure = _drawn(curves, title)
    paths = []
    for form in ("png", "pdf"):
        buffer = io.BytesIO()
        figure.savefig(buffer, format=form, dpi=130)
        path = folder / f"scaling.{form}"
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths


def _drawn(curves: list[tuple[dict[str, object], pd.DataFrame]], title: str) -> Figure:
    columns = min(2, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(5.4 * columns, 3.9 * rows + 0.9), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis, (curve, points) in zip(axes, curves, strict=False):
        _panel(axis, curve, points.sort_values("workers"))
    for axis in axes[len(curves) :]:
        axis.set_axis_off()
    figure.suptitle(title, fontsize=11)
    handles, labels = axes[0].get_legend_handles_labels()
    right = axes[0].throughput_axis
    extra_handles, extra_labels = right.get_legend_handles_labels()
    figure.legend(
        handles + extra_handles,
        labels + extra_labels,
        loc="outside lower center",
        ncols=len(labels) + len(extra_labels),
        frameon=False,
        fontsize=9,
    )
    return figure


def _panel(axis: Axes, curve: dict[str, object], points: pd.DataFrame) -> None:
    """Speedup and ideal line on the left axis, throughput on the right, efficiency along the curve."""
    good = points[points["speedup"].notna() & ~points["oversubscribed"]]
    counts = sorted(points["workers"].unique())
    ends = [counts[0], counts[-1]]
    right = axis.twinx()
    axis.throughput_axis = right  # type: ignore[attr-defined]
    axis.plot(ends, ends, "--", color=IDEAL, lw=1.2, label="ideal")
    axis.fill_between(good["workers"], good["speedup_low"], good["speedup_high"], color=SPEEDUP, alpha=0.15, lw=0)
    axis.plot(good["workers"], good["speedup"], "o-", color=SPEEDUP, lw=2.5, label="speedup, measured, 95% interval")
    throughput_label = "throughput, measured"
    measured = points[points["throughput_images_per_s"].notna() & ~points["oversubscribed"]]
    right.plot(
        measured["workers"], measured["throughput_images_per_s"], "s-", color=THROUGHPUT, lw=1.6, label=throughput_label
    )
    shared = points[points["speedup"].notna() & points["oversubscribed"]]
    axis.plot(
        shared["workers"], shared["speedup"], "o", mfc="white", color=SPEEDUP, label=_if(shared, "oversubscribed")
    )
    failed = points[points["outcome"] != "ok"]
    axis.plot(failed["workers"], [ends[0]] * len(failed), "X", color="#cc79a7", ms=10, label=_if(failed, "failed"))
    for row in failed.to_dict("records"):
        axis.annotate(row["outcome"], (row["workers"], ends[0]), (0, 9), textcoords="offset points", ha="center")
    for row in good.to_dict("records"):
        place = (row["workers"], row["speedup"])
        text = f"{row['efficiency']:.2f}"
        axis.annotate(text, place, (6, -13), textcoords="offset points", color="0.35", fontsize=9)
    _log_axes(axis, right, counts)
    # The measured values themselves as ticks: powers of two would leave one or none on a short curve.
    right.set_yticks(measured["throughput_images_per_s"], [f"{v:.3g}" for v in measured["throughput_images_per_s"]])
    right.yaxis.set_minor_locator(NullLocator())
    baseline = points["baseline_workers"].iloc[0]
    axis.set_ylabel(f"speedup S (S = {baseline} at {baseline} worker{'s' if baseline > 1 else ''})")
    axis.set_xlabel("workers $N_P$")
    right.set_ylabel("throughput [images/s]", color=THROUGHPUT)
    right.tick_params(axis="y", colors=THROUGHPUT)
    axis.set_title(
        f"{_what(curve)} {curve['resolution']}², batch {curve['batch_size']}, {curve['precision']}, {curve['engine']}, "
        f"{curve['cores_per_worker']} core{'s' if curve['cores_per_worker'] != 1 else ''} each",
        fontsize=9.5,
    )


def _what(curve: dict[str, object]) -> str:
    """Mode and network of a curve; loading has none."""
    return str(curve["mode"]) if curve["backbone"] == NO_BACKBONE else f"{curve['mode']} {curve['backbone']}"


def _if(points: pd.DataFrame, label: str) -> str:
    """The label, or Matplotlib's sign for none where there is nothing to label."""
    return label if len(points) else "_nolegend_"


def _log_axes(axis: Axes, right: Axes, counts: list[int]) -> None:
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axis.set_xscale("log", base=2)
    axis.set_xticks(counts)
    axis.set_xlim(counts[0] / 1.3, counts[-1] * 1.3)
    for each in (axis, right):
        each.set_yscale("log", base=2)
        each.yaxis.set_major_formatter(plain)
        low, high = each.get_ylim()
        if low > 0:  # else nothing was measured
            each.set_ylim(low / 1.25, high * 1.25)
    axis.xaxis.set_major_formatter(plain)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.grid(alpha=0.25)
