"""One look for all figures: told apart by marker, line and hatch as well as by colour, and so also in grey."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from bench.store.results import write_atomically
from deepgalaxy.networks.catalogue import NO_BACKBONE
from deepgalaxy.words import Provenance, counted

matplotlib.use("Agg")
matplotlib.rcParams.update({"svg.fonttype": "none", "font.size": 9.5, "axes.titlesize": 9.5, "legend.fontsize": 9})

GIB = 2**30

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#f0e442")
"""Okabe & Ito's palette for colour-blind readers, https://jfly.uni-koeln.de/color/."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 3)))
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "+++", "ooo", "---")
FAILED = "#cc79a7"

PROVENANCES: dict[str, dict[str, Any]] = {
    Provenance.MEASURED.value: {"ls": "-", "fillstyle": "full"},
    Provenance.EMULATED.value: {"ls": "-.", "fillstyle": "left"},
    Provenance.PROJECTED.value: {"ls": "--", "fillstyle": "none"},
    Provenance.PUBLISHED.value: {"ls": "", "marker": "x", "ms": 9, "mew": 2},
}
"""How each kind of number is drawn, in every figure."""


@dataclass(frozen=True)
class Drawn:
    """A figure, its files, and itself as SVG to put into a page; alt: what it shows, in words."""

    title: str
    alt: str
    svg: str
    files: list[Path]


def save(figure: Figure, table: pd.DataFrame, stem: Path, title: str, alt: str) -> Drawn:
    """The figure as `stem`.png, .pdf and .svg with the numbers that it shows as `stem`.csv."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not again for every form
    contents = {"csv": table.to_csv(index=False).encode()}
    for form in ("png", "pdf", "svg"):
        buffer = io.BytesIO()
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
        figure.savefig(buffer, format=form, dpi=130, metadata=metadata)
        contents[form] = buffer.getvalue()
    files = []
    for form, content in contents.items():
        path = stem.with_name(f"{stem.name}.{form}")
        write_atomically(path, content)
        files.append(path)
    svg = contents["svg"].decode()
    return Drawn(title, alt, _apart(svg[svg.index("<svg") :], stem.name), files)


def _apart(svg: str, name: str) -> str:
    """The SVG with names of its own for the shapes it refers to: several stand in one page."""
    for reference in ('id="', 'href="#', "url(#"):
        svg = svg.replace(reference, reference + name + "-")
    return svg


def provenance_style(provenance: str) -> dict[str, Any]:
    """Keywords for `Axes.plot`, of one kind of number."""
    return dict(PROVENANCES[provenance])


def work(row: dict[str, object]) -> str:
    """Mode, network, resolution and batch of a point, in a few words."""
    what = row["mode"] if row["backbone"] == NO_BACKBONE else f"{row['mode']} {row['backbone']}"
    return f"{what} {row['resolution']}², batch {row['batch_size']}"


def way(row: dict[str, Any]) -> str:
    """Precision, engine, and cores of a point."""
    apart = "" if row.get("exchange", True) else ", meeting" if row.get("meet") else ", independent"
    return f"{row['precision']}, {row['engine']}, {counted(row['cores_per_worker'], 'core')} each{apart}"


def at_site(row: dict[str, Any], table: pd.DataFrame) -> str:
    """Where a point was run, to say where the table's are of several sites."""
    return f", {row['site']}" if table["site"].nunique() > 1 else ""


def worker_axis(axis: Axes, counts: list[int]) -> None:
    """Worker counts on a logarithmic axis, each with its tick while they fit."""
    axis.set_xscale("log", base=2)
    shown = counts if len(counts) <= 12 else counts[:: -(-len(counts) // 12)]
    axis.set_xticks(shown)
    axis.set_xlim(counts[0] / 1.3, counts[-1] * 1.3)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xlabel("workers $N_P$")
    axis.grid(alpha=0.25)
