"""A gallery in the style of the paper's Fig. 1: mergers by class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deepgalaxy.figures import save
from deepgalaxy.mergers import camera
from deepgalaxy.mergers.simulation import Simulation

RESOLUTION = 256
CLASSES = range(0, 71, 10)


def draw(simulations: Sequence[Simulation], names: Sequence[str], path: Path) -> None:
    """One row per merger, one column per class 0, 10, ... 70, seen from +z; written to `path`.

    Raises
    ------
    InputError: `path` can't be written
    """
    from matplotlib.figure import Figure

    columns = [c for c in CLASSES if c < len(simulations[0].times_myr)]
    figure = Figure(figsize=(1.5 * len(columns), 1.5 * len(simulations)), dpi=120)
    grid = figure.subplots(len(simulations), len(columns), squeeze=False, gridspec_kw={"wspace": 0.03, "hspace": 0.03})
    for row, (name, stars) in enumerate(zip(names, simulations, strict=True)):
        for axes, number in zip(grid[row], columns, strict=True):
            scene = camera.scene(stars.star_position[number], stars.star_mass)
            pixels = camera.image(scene, np.array([0.0, 0.0, 1.0]), RESOLUTION)
            axes.imshow(pixels[..., 0], cmap="inferno", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            if row == 0:
                axes.set_title(f"class {number}", fontsize=9)
        _, size, _, mass = name.split("_")
        grid[row][0].set_ylabel(f"size {size}, mass {mass}", fontsize=8)
    save(figure, path, trimmed=True)
