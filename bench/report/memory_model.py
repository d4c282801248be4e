"""What the memory model says: its table, its errors, and memory against resolution.

Projected peaks are hollow and dashed, measured ones filled, published ones crosses: they are never one series.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from bench.report import style
from bench.report.style import GIB
from deepgalaxy.words import Provenance

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
        f"without the {name}, {what}: {s['points']} points, absolute error median {s['median']:.1%}, "
        f"90% within {s['p90']:.1%}, largest {s['largest']:.1%}; {s['inside_interval']:.0%} lie in the 95% interval"
        for name, part in told.items()
        for what, s in {"all": part["summary"], **part["by_mode"]}.items()
    ]
    return "\n".join([_markdown(table), "", *lines])


def _markdown(table: list[Row]) -> str:
    return str(pd.DataFrame(table).to_markdown(index=False, disable_numparse=True))


def row_key(row: Row) -> tuple[object, ...]:
    """Identity of a row's point."""
    return tuple(
        row[name] for name in ("mode", "backbone", "resolution", "batch_size", "precision", "engine", "workers")
    )


def write_figure(projected: Sequence[Row], points: Sequence[Row], stem: Path) -> list[Path]:
    """Memory against resolution, a panel a batch size: `stem`.png, .pdf, .svg, and its numbers as .csv.

    points: measured and published, of any point; those of the curves are drawn

    Raises
    ------
    InputError: the file can't be written
    """
    table = pd.DataFrame(projected)
    panels = list(table.groupby(PANEL, sort=False))
    figure = Figure(figsize=(5.0 * min(2, len(panels)), 4.0 * -(-len(panels) // 2) + 0.7), layout="constrained")
    axes = figure.subplots(-(-len(panels) // 2), min(2, len(panels)), squeeze=False, sharey=True).ravel()
    looks = {name: _look(number) for number, name in enumerate(dict.fromkeys(table["backbone"]))}
    for axis, (_, rows) in zip(axes, panels, strict=False):
        _panel(axis, rows, pd.DataFrame(points), looks)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.legend(handles=_legend(looks), loc="outside lower center", ncols=3, frameon=False)
    shown = pd.concat([table, pd.DataFrame(points)])
    alt = "peak memory of a worker against image edge: projected with intervals, measured, published"
    return style.save(figure, shown, stem, "Memory model", alt).files


def _look(number: int) -> Row:
    """Colour and marker of a backbone."""
    return {"color": style.COLOURS[number % len(style.COLOURS)], "marker": style.MARKERS[number % len(style.MARKERS)]}


def _panel(axis: Axes, rows: pd.DataFrame, points: pd.DataFrame, looks: dict[str, Row]) -> None:
    first = rows.iloc[0]
    for backbone, curve in rows.sort_values("resolution").groupby("backbone", sort=False):
        look, x = looks[backbone], curve["resolution"]
        axis.fill_between(x, curve["low"] / GIB, curve["high"] / GIB, color=look["color"], alpha=0.12, lw=0)
        axis.plot(x, curve["peak_rss_bytes"] / GIB, **look | style.provenance_style(Provenance.PROJECTED.value))
        same = points[(points["backbone"] == backbone) & (points["workers"].fillna(1) == 1)]
        for name in ("mode", "precision", "batch_size"):
            same = same[same[name] == first[name]]
        same = same[same["engine"].fillna(first["engine"]) == first["engine"]]
        for provenance, shown in same.groupby("provenance"):
            axis.plot(
                shown["resolution"],
                shown["peak_rss_bytes"] / GIB,
                **look | style.provenance_style(str(provenance)) | {"ls": ""},
            )
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


def _legend(looks: dict[str, Row]) -> list[Line2D]:
    lines = [Line2D([], [], ls="", label=backbone, **look) for backbone, look in looks.items()]
    kinds = {
        Provenance.PROJECTED: "projected, 95% interval",
        Provenance.MEASURED: "measured",
        Provenance.PUBLISHED: "published (Cai et al. 2020)",
    }
    grey = {"color": "0.3", "marker": "o"}
    for provenance, label in kinds.items():
        no_line = {} if provenance is Provenance.PROJECTED else {"ls": ""}
        lines.append(Line2D([], [], label=label, **grey | style.provenance_style(provenance.value) | no_line))
    return lines


def _interval(row: Row, name: str = "peak_rss_bytes") -> str:
    return f"{_gib(row[name])} [{_gib(row['low'])}, {_gib(row['high'])}]"


def _gib(count: float | None) -> str:
    return "" if count is None else f"{count / GIB:.3g}" if count < 100 * GIB else f"{count / GIB:.0f}"
