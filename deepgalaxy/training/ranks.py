"""What a training step needs of its peers, and a rank that has none."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from deepgalaxy.errors import InputError


class Ranks(Protocol):
    """This process among its peers."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""

    @property
    def size(self) -> int:
        """Number of processes."""

    @property
    def transport(self) -> str:
        """What carries the messages: `mpi`, `gloo`, or `none`."""

    def sum(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Gradients summed over all ranks."""

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """Give every rank the values of rank 0."""

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums over all ranks, (N,)."""

    def share(self, text: str) -> str:
        """The text of rank 0."""

    def wait_for_all(self) -> None:
        """Return when every rank has arrived."""

    def timeline(self, path: Path) -> AbstractContextManager[None]:
        """Keep a timeline of what is exchanged meanwhile in a file."""

    def leave(self) -> None:
        """End the connection."""


@dataclass(frozen=True)
class Alone:
    """One of `size` processes that share the work's numbering and exchange nothing."""

    rank: int = 0
    size: int = 1
    transport: str = "none"

    def sum(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """This rank's own gradients."""
        return list(gradients)

    def broadcast(self, variables: Sequence[tf.Variable]) -> None:
        """Nothing: the same seed has given every rank the same values."""

    def total(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """This rank's own values."""
        return values

    def share(self, text: str) -> str:
        """This rank's own text."""
        return text

    def wait_for_all(self) -> None:
        """Nothing to wait for."""

    def timeline(self, path: Path) -> AbstractContextManager[None]:
        """Nothing is exchanged."""
        return nullcontext()

    def leave(self) -> None:
        """Nothing to end."""


class Meeting(Alone):
    """One of `size` processes that exchange nothing, and wait for one another by MPI's barrier alone.

    Raises
    ------
    InputError: MPI started another number of processes
    """

    def __init__(self, rank: int, size: int) -> None:
        from mpi4py import MPI  # which joins MPI as it loads

        super().__init__(rank, size)
        if MPI.COMM_WORLD.size != size:
            raise InputError(f"meet true: {size} processes of MPI are needed, {MPI.COMM_WORLD.size} was started")

    def wait_for_all(self) -> None:
        """Return when every process has arrived."""
        from mpi4py import MPI

        MPI.COMM_WORLD.Barrier()
