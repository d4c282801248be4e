"""Figures of the search: recommendations (paper, Fig. 6) and images from a grid in latent space (Fig. 5)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.errors import InputError
from deepgalaxy.figures import save
from deepgalaxy.networks.deepgalaxy import Part, parts_of


class Shown(NamedTuple):
    """A query and its recommendations. images: (1 + n, H, H, 1), the query first; captions: (1 + n)."""

    images: NDArray[np.float32]
    captions: list[str]


def draw_recommendations(rows: Sequence[Shown], path: Path) -> None:
    """One row a query: the query at the left, what is recommended beside it.

    Raises
    ------
    InputError: `path` can't be written
    """
    from matplotlib.figure import Figure

    columns = max(len(row.images) for row in rows)
    figure = Figure(figsize=(1.6 * columns, 2.0 * len(rows)), dpi=120, layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for axes_row, row in zip(grid, rows, strict=True):
        for axes, pixels, caption in zip(axes_row, row.images, row.captions, strict=False):
            axes.imshow(pixels[..., 0], cmap="inferno", vmin=0, vmax=1)
            axes.set_title(caption, fontsize=6.5)
    save(figure, path)


def draw_latent_grid(model: tf.keras.Model, z: NDArray[np.float32], path: Path, steps: int = 9) -> None:
    """Images that autoencoder and VAE generate on a plane through latent space: along the two directions in which
    the vectors z, (N, L), vary most, from 2 standard deviations below the mean to 2 above.

    Raises
    ------
    InputError: the model has no VAE or no autoencoder, `path` can't be written
    """
    from matplotlib.figure import Figure

    if not {Part.VAE, Part.AUTOENCODER} <= parts_of(model):
        raise InputError("a latent grid needs a model with VAE and autoencoder: the losses features, kl and images")
    mean = z.mean(axis=0)
    _, spread, directions = np.linalg.svd(z - mean, full_matrices=False)
    ticks = np.linspace(-2, 2, steps)[:, None]
    first, second = (ticks * directions[i] * spread[i] / np.sqrt(len(z)) for i in (0, 1))
    points = (mean + second[::-1, None] + first[None]).reshape(-1, z.shape[1]).astype(np.float32)
    images = model.get_layer("decoder")(model.get_layer("vae_decoder")(points)).numpy()
    edge = images.shape[1]
    sheet = images.reshape(steps, steps, edge, edge).transpose(0, 2, 1, 3).reshape(steps * edge, steps * edge)
    figure = Figure(figsize=(6, 6), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet, cmap="inferno", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[], xlabel="1st direction of latent space, -2σ … 2σ", ylabel="2nd direction, -2σ … 2σ")
    save(figure, path)
