"""FP32 against BF16: the fastest engine in each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from bench.report import style
from bench.report.style import Drawn
from deepgalaxy.words import counted

MOST_ROWS = 24


def precision_figure(precisions: pd.DataFrame, stem: Path) -> Drawn | None:
    """Pairs of bars with the gain beside them; None where no point was run in both."""
    if precisions.empty:
        return None
    shown = precisions.iloc[:MOST_ROWS]
    figure = Figure(figsize=(7.8, 0.62 * len(shown) + 1.5), layout="constrained")
    axis = figure.subplots()
    places = np.arange(len(shown))[::-1]
    axis.barh(places + 0.2, shown["fp32_images_per_s"], 0.38, color=style.COLOURS[0], label="FP32")
    axis.barh(
        places - 0.2, shown["images_per_s"], 0.38, color=style.COLOURS[4], hatch="///", edgecolor="white", label="BF16"
    )
    for place, row in zip(places, shown.to_dict("records"), strict=True):
        gain = f" {row['gain']:.2f} [{row['gain_low']:.2f}, {row['gain_high']:.2f}]"
        axis.annotate(gain, (row["images_per_s"], place - 0.2), va="center", fontsize=8.5)
    labels = [
        f"{style.work(row)}, {counted(row['workers'], 'worker')}\n"
        f"{row['fp32_engine']} / {row['engine']} {row['precision']}, {row['provenance']}"
        for row in shown.to_dict("records")
    ]
    axis.set_yticks(places, labels, fontsize=8)
    axis.set_xlabel("images/s (beside the bars: gain with its 95% interval)")
    axis.margins(x=0.35)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return style.save(figure, shown, stem, "FP32 and BF16", "throughput of the fastest engine in FP32 and in BF16")
