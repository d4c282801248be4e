"""Figures of the workload's commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepgalaxy.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, path: Path, *, trimmed: bool = False) -> None:
    """Write a figure, and its folder where that is missing; `trimmed` of empty margins.

    Raises
    ------
    InputError: `path` can't be written
    """
    with replacing(path) as partial:
        figure.savefig(partial, bbox_inches="tight" if trimmed else None)
