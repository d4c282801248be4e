"""Tables of results: CSV with everything, Markdown and terminal with what a reader looks for."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from bench.store.results import write_atomically
from deepgalaxy.words import Mode, counted

GIB = 2**30


def write_tables(table: pd.DataFrame, folder: Path, question: str) -> list[Path]:
    """`table.csv` and `table.md` in `folder`."""
    return write_pair(table, folder / "table", f"# {question}\n\n{as_markdown(readable(table))}\n\n{notes(table)}\n")


def write_pair(table: pd.DataFrame, stem: Path, markdown: str) -> list[Path]:
    """A table whole as `stem`.csv, and what a reader sees of it as `stem`.md."""
    files = {stem.with_suffix(".csv"): table.to_csv(index=False), stem.with_suffix(".md"): markdown}
    for path, content in files.items():
        write_atomically(path, content.encode())
    return list(files)


def as_markdown(shown: pd.DataFrame) -> str:
    """A table of texts as Markdown, the texts as they are."""
    return str(shown.to_markdown(index=False, disable_numparse=True))


def write_precisions(table: pd.DataFrame, folder: Path) -> list[Path]:
    """`precision.csv` and `precision.md` of a `precision_table`; none where it is empty."""
    if table.empty:
        return []
    text = as_markdown(readable_precisions(table))
    return write_pair(table, folder / "precision", f"# The fastest in FP32 and the fastest in BF16\n\n{text}\n")


def readable_precisions(table: pd.DataFrame) -> pd.DataFrame:
    """The columns a reader looks for, as text."""
    rows = [
        {
            "mode": row["mode"],
            "backbone": row["backbone"],
            "px": str(row["resolution"]),
            "batch": str(row["batch_size"]),
            "workers x cores": f"{row['workers']} x {row['cores_per_worker']}",
            "FP32 [images/s]": f"{row['fp32_images_per_s']:.1f} ({row['fp32_engine']})",
            "BF16 [images/s]": f"{row['images_per_s']:.1f} ({row['engine']} {row['precision']})",
            "gain": _with_interval(row, "gain", "gain", ".2f"),
            "median step FP32 / BF16 [ms]": f"{row['fp32_latency_p50_ms']:.1f} / {row['latency_p50_ms']:.1f}",
            "provenance": row["provenance"],
        }
        for row in table.to_dict("records")
    ]
    return pd.DataFrame(rows)


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The columns a reader looks for, as text, intervals beside their values."""
    rows = [
        {
            "mode": row["mode"],
            "backbone": row["backbone"],
            "px": str(row["resolution"]),
            "batch": str(row["batch_size"]),
            "precision": row["precision"],
            "engine": row["engine"],
            "workers": f"{row['workers']}{'*' if row['oversubscribed'] else ''}",
            "cores each": f"{row['cores_per_worker']:.0f}",
            "provenance": row["provenance"],
            "outcome": row["outcome"],
            "images/s": _with_interval(row, "throughput_images_per_s", "throughput", ".1f"),
            "step [s]": _number(row["step_time_s"], ".3f"),
            "latency p50 / p95 / p99 [ms]": _latency(row),
            "speedup": _with_interval(row, "speedup", "speedup", ".2f"),
            "efficiency": _with_interval(row, "efficiency", "efficiency", ".2f"),
            "of peak": _number(row["fraction_of_peak"], ".0%"),
            "data wait": "-" if row["mode"] == Mode.LOAD.value else _number(row["data_wait_share"], ".1%"),
            "/ plain reads": _with_interval(row, "plain_read_ratio", "plain_read_ratio", ".2f"),
            "top-1 as FP32": _with_interval(row, "top1_agreement", "top1_agreement", ".3f"),
            "largest change of p": _number(row["largest_probability_difference"], ".4f"),
            "top-1 / top-5": _pair(row["top1_accuracy"], row["top5_accuracy"]),
            "peak RSS/rank [GiB]": _number(row["peak_rss_bytes"] / GIB, ".2f"),
        }
        for row in table.to_dict("records")
    ]
    shown = pd.DataFrame(rows)
    return shown.loc[:, (shown != "-").any()]


def notes(table: pd.DataFrame) -> str:
    """What the table's figures mean, and the reasons of points without figures."""
    baseline = counted(table["baseline_workers"].iloc[0], "worker")
    lines = [
        f"Speedup and efficiency are relative to {baseline} of the same curve; "
        "brackets are 95% intervals, the baseline's included."
    ]
    if table["oversubscribed"].any():
        lines.append("* ranks shared cores (oversubscribed): never a baseline.")
    for row in table[table["outcome"] != "ok"].to_dict("records"):
        workers = counted(row["workers"], "worker")
        point = f"{row['mode']} {row['backbone']} {row['resolution']}px {row['precision']} {workers}"
        lines.append(f"{row['outcome']}: {point}: {row['reason']}")
    if "note" in table:
        for row in table[table["note"].map(bool) & table["note"].notna()].to_dict("records"):
            what = f"{row['mode']} {row['backbone']} {row['resolution']}px {counted(row['workers'], 'worker')}"
            lines.append(f"{row['provenance']} ({row['site']}): {what}: {row['note']}")
    return "\n\n".join(lines)


def _latency(row: dict[str, Any]) -> str:
    """Of an inference."""
    if row["mode"] != Mode.INFER.value or math.isnan(row["step_p50_s"]):
        return "-"
    return " / ".join(f"{1e3 * row[f'step_p{q}_s']:.1f}" for q in (50, 95, 99))


def _pair(first: float, second: float) -> str:
    return "-" if math.isnan(first) else f"{first:.3f} / {second:.3f}"


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _with_interval(row: dict[str, float], value: str, prefix: str, form: str) -> str:
    if math.isnan(row[value]):
        return "-"
    low, high = row[f"{prefix}_low"], row[f"{prefix}_high"]
    if low == high or math.isnan(low):  # the baseline itself; a number that came without an interval
        return format(row[value], form)
    return f"{row[value]:{form}} [{low:{form}}, {high:{form}}]"
