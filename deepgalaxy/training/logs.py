"""What a training writes for people while it runs: a CSV, TensorBoard's events, and curves (paper, Figs 3 and 4)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.figures import save
from deepgalaxy.files import replacing

Row = dict[str, float]

Reconstruction = tuple[str, NDArray[np.float32], NDArray[np.float32]]
"""What it is, an image (H, H, 1), and what the autoencoder makes of it."""

TRAINING, VALIDATION = "#000000", "#d55e00"  # far apart for colour-blind readers, and in grey


class Logs:
    """Logs of a training in its folder; all but TensorBoard's are written anew, whole, after each epoch."""

    def __init__(self, folder: Path, title: str) -> None:
        self._folder, self._title = folder, title
        self._events = tf.summary.create_file_writer(str(folder / "tensorboard"))

    def epoch(self, history: Sequence[Row]) -> None:
        """Another row was added."""
        last = history[-1]
        with self._events.as_default(step=int(last["epoch"])):
            for name, value in last.items():
                tf.summary.scalar(name, value)
        self._events.flush()
        text = io.StringIO()
        writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.7g}" for name, value in row.items()} for row in history)
        with replacing(self._folder / "log.csv") as partial:
            partial.write_text(text.getvalue())
        draw_curves(history, self._title, self._folder / "curves.png")


def draw_curves(history: Sequence[Row], title: str, path: Path) -> None:
    """Loss, and where there is a classifier its accuracy, of training and validation by epoch.

    Raises
    ------
    InputError: `path` can't be written
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = [("loss", "loss"), *([("top_1", "accuracy")] if "top_1" in history[0] else [])]
    figure = Figure(figsize=(4.6 * len(panels), 3.6), dpi=120, layout="constrained")
    epochs = [row["epoch"] for row in history]
    for axes, (name, label) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for prefix, who, colour, style in (("", "training", TRAINING, "o-"), ("val_", "validation", VALIDATION, "s--")):
            axes.plot(epochs, [row[prefix + name] for row in history], style, color=colour, ms=3.5, label=who)
        if name == "top_1":
            axes.plot(epochs, [row["val_top_5"] for row in history], ":", color=VALIDATION, label="validation, top 5")
            axes.set_ylim(0, 1.02)
        elif min(row[prefix + name] for row in history for prefix in ("", "val_")) > 0:
            axes.set_yscale("log")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=9)
    save(figure, path)


def draw_reconstructions(reconstructions: Sequence[Reconstruction], path: Path, columns: int = 8) -> None:
    """Images above what the autoencoder makes of them, `columns` side by side.

    Raises
    ------
    InputError: `path` can't be written
    """
    from matplotlib.figure import Figure

    rows = -(-len(reconstructions) // columns)
    figure = Figure(figsize=(1.4 * columns, 2.95 * rows), dpi=120, layout="constrained")
    grid = figure.subplots(2 * rows, columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for i, (name, image, again) in enumerate(reconstructions):
        row, column = divmod(i, columns)
        for axes, pixels, title in zip(grid[2 * row : 2 * row + 2, column], (image, again), (name, ""), strict=True):
            axes.imshow(pixels[..., 0], cmap="inferno", vmin=0, vmax=1)
            axes.set_title(title, fontsize=8)
    save(figure, path)
