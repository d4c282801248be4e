"""Which images of a file are trained on, validate, or are held out; and the batches a rank trains on."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from deepgalaxy.data.augment import Augmentation
from deepgalaxy.data.batches import BatchPlan, Examples, select, split
from deepgalaxy.data.layout import Catalogue, read_catalogue
from deepgalaxy.data.pipeline import Batches
from deepgalaxy.data.unlabelled import Joint, JointBatches, Unlabelled, labelled_only
from deepgalaxy.errors import InputError
from deepgalaxy.training.settings import TrainingSettings

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks


class ExampleSets(NamedTuple):
    """Images by what they are for.

    held_out: by what was kept away: `cameras`, of simulations that were trained on, `simulations`
    """

    catalogue: Catalogue
    training: Examples
    validation: Examples
    held_out: dict[str, Examples]


def example_sets(settings: TrainingSettings) -> ExampleSets:
    """Choose, hold out, and split what is left 80 to 20 (paper, section II.A).

    Raises
    ------
    InputError: a file that is missing or damaged, nothing left, more classes than the network has
    """
    catalogue = read_catalogue(Path(settings.data))
    chosen = select(catalogue, settings.simulations, settings.cameras or None, settings.times_myr)
    if int(chosen.label.max()) >= settings.classes:
        raise InputError(f"{settings.data} holds class {chosen.label.max()}, the model has {settings.classes} classes")
    strange = np.array(
        [any(fnmatchcase(s.group, p) for p in settings.hold_out_simulations) for s in catalogue.sequences]
    )[chosen.sequence]
    unseen = np.isin(np.array([s.camera for s in catalogue.sequences]), settings.hold_out_cameras)[chosen.sequence]
    held_out = {
        "simulations": chosen.where(strange),
        "cameras": chosen.where(unseen & ~strange),
    }
    for name, wanted in (("simulations", settings.hold_out_simulations), ("cameras", settings.hold_out_cameras)):
        if wanted and not len(held_out[name]):
            raise InputError(f"hold_out_{name} {' '.join(map(str, wanted))}: {settings.data} holds no image of them")
    left = chosen.where(~strange & ~unseen)
    if not len(left):
        raise InputError(f"all {len(chosen)} images of {settings.data} are held out, none is left to train on")
    training, validation = split(catalogue, settings.seed, left, by_image=settings.split_by_image)
    for name, examples in (("training", training), ("validation", validation)):
        if not len(examples):
            raise InputError(f"{len(left)} images of {settings.data} leave none for {name}")
    return ExampleSets(catalogue, training, validation, {k: v for k, v in held_out.items() if len(v)})


def training_batches(
    settings: TrainingSettings,
    sets: ExampleSets,
    plan: BatchPlan,
    ranks: Ranks,
    first_step: int,
    unlabelled: Unlabelled | None,
) -> Iterator[Joint]:
    """This rank's batches from a step on, augmented, with unlabelled images among them where there are any.

    Raises
    ------
    InputError: noise out of its range
    """
    augmentation = Augmentation(settings.noise, settings.flips, settings.rotations)
    labelled = Batches(sets.catalogue, sets.training, plan, ranks.rank, first_step, augmentation)
    per_step = settings.unlabelled_batch_size * settings.passes
    if unlabelled is None or per_step == 0:
        return labelled_only(labelled)
    more = BatchPlan(len(unlabelled.training), per_step, ranks.size, settings.seed)
    return iter(
        JointBatches(
            labelled,
            unlabelled,
            more,
            ranks.rank,
            first_step=first_step,
            passes=settings.passes,
            augmentation=augmentation,
        )
    )
