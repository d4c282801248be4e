"""Images as plain vectors of pixels, for what compares them without a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

PIXELS_COMPARED = 32
"""Edge that images are averaged down to before pixels are compared: finer ones would fill the memory."""


def coarse_pixels(images: NDArray[Any]) -> NDArray[np.float32]:
    """Images (N, H, H, 1) averaged over blocks to an edge of about `PIXELS_COMPARED`, (N, edge^2)."""
    block = max(1, images.shape[1] // PIXELS_COMPARED)
    edge = images.shape[1] // block
    cut = images[:, : edge * block, : edge * block, 0].reshape(len(images), edge, block, edge, block)
    means: NDArray[np.float32] = cut.mean(axis=(2, 4), dtype=np.float32).reshape(len(images), -1)
    return means
