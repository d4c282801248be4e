"""Which images make up which batch: a pure function of seed, step and rank."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.data.layout import Catalogue
from deepgalaxy.errors import InputError

TRAINING_SHARE = 0.8  # paper, section II.A

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Examples:
    """A selection of a file's images: `sequence[i]` of its catalogue, `frame[i]` in it, `label[i]`."""

    sequence: Integers
    frame: Integers
    label: Integers

    def __len__(self) -> int:
        return len(self.label)


def split(catalogue: Catalogue, seed: int) -> tuple[Examples, Examples]:
    """Training and validation examples, 80 to 20.

    All cameras of one snapshot fall on the same side: they show the same state, and would
    leak it from one to the other.
    """
    rows = [(i, frame, label) for i, s in enumerate(catalogue.sequences) for frame, label in enumerate(s.classes)]
    sequence, frame, label = np.array(rows, dtype=np.int64).T
    groups = [s.group for s in catalogue.sequences]
    number = {name: i for i, name in enumerate(sorted(set(groups)))}
    simulation = np.array([number[groups[i]] for i in sequence])
    snapshots, which = np.unique(np.stack([simulation, label]), axis=1, return_inverse=True)
    order = np.random.default_rng(seed).permutation(snapshots.shape[1])
    training = np.isin(which.ravel(), order[: round(TRAINING_SHARE * len(order))])

    def take(chosen: NDArray[np.bool_]) -> Examples:
        return Examples(sequence[chosen], frame[chosen], label[chosen])

    return take(training), take(~training)


@dataclass(frozen=True)
class BatchPlan:
    """Deals `examples` images to `workers` ranks, `batch_size` each a step, shuffled anew every epoch.

    Stateless: any step of any rank can be asked for, so a resumed run continues in its place.
    Every rank does the same number of steps; the remainder that fills no global batch is left
    out of that epoch, another one each time.

    Raises
    ------
    InputError: fewer examples than one global batch
    """

    examples: int
    batch_size: int
    workers: int
    seed: int

    def __post_init__(self) -> None:
        if self.steps_per_epoch < 1:
            raise InputError(
                f"{self.examples} images are fewer than one global batch of "
                f"{self.workers} workers with batch size {self.batch_size}"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which every image is seen once."""
        return self.examples // (self.batch_size * self.workers)

    def indices(self, step: int, rank: int) -> Integers:
        """Examples in the batch of `rank` at `step`, counted from the start of the run, (batch_size,)."""
        epoch, within = divmod(step, self.steps_per_epoch)
        start = (within * self.workers + rank) * self.batch_size
        return _order(self.examples, self.seed, epoch)[start : start + self.batch_size]


@lru_cache(maxsize=2)  # the epoch under way and, at its edge, the next
def _order(examples: int, seed: int, epoch: int) -> Integers:
    return np.random.default_rng([seed, epoch]).permutation(examples)
