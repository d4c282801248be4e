"""Which images make up which batch: pure functions of seed, epoch, step and rank."""

from __future__ import annotations

import enum
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgalaxy.data.layout import CLASS_INTERVAL_MYR, Catalogue
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

    def where(self, chosen: NDArray[np.bool_]) -> Examples:
        """Those that are chosen, (len(self),) bool."""
        return Examples(self.sequence[chosen], self.frame[chosen], self.label[chosen])


def select(
    catalogue: Catalogue,
    simulations: str = "*",
    cameras: Collection[int] | None = None,
    times_myr: tuple[float, float] | None = None,
) -> Examples:
    """Images of the simulations whose name fits a pattern (`s_1_*`), of some cameras, of a range of times.

    times_myr: first and last, since the simulation's start

    Raises
    ------
    InputError: nothing is left
    """
    rows = [
        (i, frame, label)
        for i, s in enumerate(catalogue.sequences)
        if fnmatchcase(s.group, simulations) and (cameras is None or s.camera in cameras)
        for frame, label in enumerate(s.classes)
        if times_myr is None or times_myr[0] <= label * CLASS_INTERVAL_MYR <= times_myr[1]
    ]
    if not rows:
        groups = sorted({s.group for s in catalogue.sequences})
        found = f"{catalogue.path} holds {len(groups)} simulations, {groups[0]} to {groups[-1]}"
        raise InputError(
            f"no image of {simulations!r}, cameras {cameras or 'all'}, times {times_myr or 'all'}; {found}"
        )
    sequence, frame, label = np.array(rows, dtype=np.int64).T
    return Examples(sequence, frame, label)


def split(
    catalogue: Catalogue, seed: int, examples: Examples | None = None, *, by_image: bool = False
) -> tuple[Examples, Examples]:
    """Training and validation examples, 80 to 20, of all or some of the images.

    All cameras of one snapshot fall on the same side: they show the same state, and would leak it
    from one to the other. `by_image` deals single images instead, as the paper may have.
    """
    examples = select(catalogue) if examples is None else examples
    if by_image:
        unit = np.arange(len(examples))
    else:
        groups = [s.group for s in catalogue.sequences]
        number = {name: i for i, name in enumerate(sorted(set(groups)))}
        simulation = np.array([number[group] for group in groups])[examples.sequence]
        unit = np.unique(np.stack([simulation, examples.label]), axis=1, return_inverse=True)[1].ravel()
    units = int(unit.max()) + 1
    order = np.random.default_rng(seed).permutation(units)
    training = np.isin(unit, order[: round(TRAINING_SHARE * units)])
    return examples.where(training), examples.where(~training)


class Loading(enum.Enum):
    """What a rank goes through in an epoch: the original's three modes.

    ALL: every image, on every rank, each in its own order
    SHARD: the rank's share of the images, the same in every epoch
    RESHUFFLE: the rank's share, dealt anew every so many epochs
    """

    ALL = "all"
    SHARD = "shard"
    RESHUFFLE = "reshuffle"


class Batch(NamedTuple):
    """Examples of one step, (batch_size,), and what each counts for: 0 for those that only fill up.

    Weights are such that the mean over the batch, averaged over the ranks, is the mean over all
    images that the ranks see in this step.
    """

    indices: Integers
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class BatchPlan:
    """Deals `examples` images to `workers` ranks, `batch_size` each a step, shuffled anew every epoch.

    Stateless: any step of any rank can be asked for, so a resumed run continues in its place. Every
    rank does the same number of steps. Each image is seen once an epoch (`Loading.ALL`: by every
    rank): the last batches are filled up with images of weight 0. With `drop_remainder` the images
    that fill no batch on every rank are left out of that epoch instead, others each time.

    Raises
    ------
    InputError: no example, or with `drop_remainder` fewer than one batch for every rank
    """

    examples: int
    batch_size: int
    workers: int
    seed: int
    loading: Loading = Loading.RESHUFFLE
    reshuffle_every: int = 1
    drop_remainder: bool = False

    def __post_init__(self) -> None:
        if self.reshuffle_every < 1:
            raise InputError(f"reshuffle_every {self.reshuffle_every} is less than 1 epoch")
        if self.steps_per_epoch < 1:
            raise InputError(
                f"{self.examples} images are fewer than one global batch of "
                f"{self.workers} workers with batch size {self.batch_size}"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Steps of every rank in an epoch."""
        if self.drop_remainder:
            return self._share(self.workers - 1) // self.batch_size
        return -(-self._share(0) // self.batch_size)

    def batch(self, step: int, rank: int) -> Batch:
        """What `rank` sees at `step`, counted from the start of the run."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = _order(self, epoch, rank)
        start = within * self.batch_size
        chosen = order[start : start + self.batch_size]
        larger = 0 if self.loading is Loading.ALL else self.examples % self.workers  # ranks whose share has one more
        seen = larger * self._in_step(within, 0) + (self.workers - larger) * self._in_step(within, self.workers - 1)
        weights = np.zeros(self.batch_size, np.float32)
        weights[: len(chosen)] = self.batch_size * self.workers / seen
        if len(chosen) < self.batch_size:  # fill up with any images: their weight is 0
            filler = order[:1] if len(order) else np.zeros(1, np.int64)
            chosen = np.concatenate([chosen, np.repeat(filler, self.batch_size - len(chosen))])
        return Batch(chosen, weights)

    def _share(self, rank: int) -> int:
        """Images that a rank goes through in an epoch; the first ranks have the larger shares."""
        if self.loading is Loading.ALL:
            return self.examples
        return len(range(rank, self.examples, self.workers))

    def _in_step(self, within: int, rank: int) -> int:
        """Images of weight in the batch of a rank at the step `within` an epoch."""
        return min(max(self._share(rank) - within * self.batch_size, 0), self.batch_size)


@lru_cache(maxsize=4)  # the epoch under way and, at its edge, the next
def _order(plan: BatchPlan, epoch: int, rank: int) -> Integers:
    """The images of a rank in an epoch, in order.

    What was dealt anew is in random order already, and left in it: so each step's images, over all ranks,
    are the same at any number of workers with the same global batch.
    """
    if plan.loading is Loading.ALL:
        shard = np.arange(plan.examples)
    else:
        dealt, since = (0, epoch) if plan.loading is Loading.SHARD else divmod(epoch, plan.reshuffle_every)
        shard = np.random.default_rng([plan.seed, dealt]).permutation(plan.examples)[rank :: plan.workers]
        if since == 0:
            return shard
    return np.random.default_rng([plan.seed, epoch, rank, 1]).permutation(shard)
