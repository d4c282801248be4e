"""Figures of the workload's commands."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from deepgalaxy.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save(figure: Figure, path: Path, *, trimmed: bool = False) -> None:
    """Write a figure, and its folder where that is missing; `trimmed` of empty margins.

    Raises
    ------
    InputError: `path` can't be written
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, bbox_inches="tight" if trimmed else None)
    except OSError as error:
        raise InputError(f"can't write {path}: {error.strerror or error}") from None
