"""What the memory model says: its table, its errors, and memory against resolution.

Projected peaks are hollow and dashed, measured ones filled, published ones crosses: they are never one series.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from bench.store.results import write_atomically
from deepgalaxy.words import Provenance

matplotlib.use("Agg")

GIB = 2**30

COLOURS = ("black", "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe & Ito's palette for colour-blind readers, one a backbone."""

PANEL = ["mode", "precision", "engine", "batch_size"]

Row = dict[str, Any]


def readable(rows: Sequence[Row]) -> str:
    """A table for the terminal, GiB."""
    table = [
        {
            "backbone": row["backbone"],
            "resolution": row["resolution"],
            "batch": row["batch_size"],
            "projected [GiB]": _interval(row),
            "base": _gib(row["base_bytes"]),
            "state": _gib(row["state_bytes"]),
            "graph": _gib(row["graph_bytes"]),
            "maps": _gib(row["maps_bytes"]),
            "exchange": _gib(row["exchange_bytes"]),
            "measured [GiB]": _gib(row["measured_bytes"]),
            "published [GiB]": _gib(row["published_bytes"]),
        }
        for row in rows
    ]
    return _markdown(table)


def readable_errors(told: dict[str, dict[str, Any]]) -> str:
    """Every point beside what a model fitted without it says, and the summaries."""
    without = {row_key(row): row for row in told["backbone"]["rows"]}
    table = [
        {
            "point": f"{row['mode']} {row['backbone']} {row['resolution']}² batch {row['batch_size']}",
            "precision": row["precision"],
            "engine": row["engine"],
            "ranks": row["workers"],
            "measured [GiB]": _gib(row["measured_bytes"]),
            "without the point [GiB]": _interval(row, "projected_bytes"),
            "error": f"{row['error']:+.1%}",
            "error without the backbone": f"{without[row_key(row)]['error']:+.1%}" if row_key(row) in without else "",
        }
        for row in told["point"]["rows"]
    ]
    lines = [
        f"without the {name}: {s['points']} points, absolute error median {s['median']:.1%}, "
        f"90% within {s['p90']:.1%}, largest {s['largest']:.1%}; {s['inside_interval']:.0%} lie in the 95% interval"
        for name, s in ((name, part["summary"]) for name, part in told.items())
    ]
    return "\n".join([_markdown(table), "", *lines])


def _markdown(table: list[Row]) -> str:
    return str(pd.DataFrame(table).to_markdown(index=False, disable_numparse=True))


def row_key(row: Row) -> tuple[object, ...]:
    """Identity of a row's point."""
    return tuple(
        row[name] for name in ("mode", "backbone", "resolution", "batch_size", "precision", "engine", "workers")
    )


def write_figure(projected: Sequence[Row], points: Sequence[Row], path: Path) -> None:
    """Memory against resolution, a panel a batch size. points: measured and published, of any point

    Raises
    ------
    InputError: the file can't be written
    """
    table = pd.DataFrame(projected)
    panels = list(table.groupby(PANEL, sort=False))
    figure = Figure(figsize=(5.0 * min(2, len(panels)), 4.0 * -(-len(panels) // 2) + 0.7), layout="constrained")
    axes = figure.subplots(-(-len(panels) // 2), min(2, len(panels)), squeeze=False, sharey=True).ravel()
    colours = dict(zip(dict.fromkeys(table["backbone"]), COLOURS * len(table), strict=False))
    for axis, (_, rows) in zip(axes, panels, strict=False):
        _panel(axis, rows, pd.DataFrame(points), colours)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.legend(handles=_legend(colours), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.removeprefix(".") or "png", dpi=130)
    write_atomically(path, buffer.getvalue())


def _panel(axis: Axes, rows: pd.DataFrame, points: pd.DataFrame, colours: dict[str, str]) -> None:
    first = rows.iloc[0]
    for backbone, curve in rows.sort_values("resolution").groupby("backbone", sort=False):
        color, x = colours[backbone], curve["resolution"]
        axis.fill_between(x, curve["low"] / GIB, curve["high"] / GIB, color=color, alpha=0.12, lw=0)
        axis.plot(x, curve["peak_rss_bytes"] / GIB, "o--", mfc="white", color=color, lw=1.2)
        same = points[(points["backbone"] == backbone) & (points["workers"].fillna(1) == 1)]
        for name in ("mode", "precision", "batch_size"):
            same = same[same[name] == first[name]]
        same = same[same["engine"].fillna(first["engine"]) == first["engine"]]
        for provenance, marker in ((Provenance.MEASURED, "o"), (Provenance.PUBLISHED, "x")):
            shown = same[same["provenance"] == provenance.value]
            size = 6 if marker == "o" else 9
            axis.plot(shown["resolution"], shown["peak_rss_bytes"] / GIB, marker, color=color, ms=size, mew=2)
    ticks = sorted({*rows["resolution"], *points[points["batch_size"] == first["batch_size"]]["resolution"]})
    axis.set_xscale("log", base=2)
    axis.set_yscale("log", base=2)
    axis.set_xticks([t for t in ticks if t >= rows["resolution"].min()])
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_major_formatter(plain)
    axis.yaxis.set_major_formatter(plain)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.grid(alpha=0.25)
    axis.set_xlabel("image edge [pixels]")
    axis.set_ylabel("peak memory of a worker [GiB]")
    axis.set_title(
        f"{first['mode']}, batch {first['batch_size']}, {first['precision']}, {first['engine']}", fontsize=10
    )


def _legend(colours: dict[str, str]) -> list[Line2D]:
    lines = [Line2D([], [], color=color, lw=3, label=backbone) for backbone, color in colours.items()]
    kinds = (
        ({"ls": "--", "marker": "o", "mfc": "white"}, "projected, 95% interval"),
        ({"ls": "", "marker": "o"}, "measured"),
        ({"ls": "", "marker": "x", "ms": 8, "mew": 2}, "published (Cai et al. 2020)"),
    )
    return lines + [Line2D([], [], color="0.3", label=label, **style) for style, label in kinds]


def _interval(row: Row, name: str = "peak_rss_bytes") -> str:
    return f"{_gib(row[name])} [{_gib(row['low'])}, {_gib(row['high'])}]"


def _gib(count: float | None) -> str:
    return "" if count is None else f"{count / GIB:.3g}" if count < 100 * GIB else f"{count / GIB:.0f}"
