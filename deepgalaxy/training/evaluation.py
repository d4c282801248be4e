"""What a network makes of images that it was not trained on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sized
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from deepgalaxy.data.batches import BatchPlan, Examples, Loading
from deepgalaxy.data.pipeline import Batches
from deepgalaxy.data.reader import Reader
from deepgalaxy.data.unlabelled import Joint, Unlabelled, labelled_only
from deepgalaxy.training.examples import ExampleSets
from deepgalaxy.training.logs import Reconstruction
from deepgalaxy.training.objective import Objective
from deepgalaxy.training.settings import TrainingSettings
from deepgalaxy.training.step import evaluation_step

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks


def sum_over_ranks(sums: Mapping[str, float], ranks: Ranks) -> dict[str, float]:
    """Totals by name, added up over all ranks."""
    return dict(zip(sums, map(float, ranks.total(np.array(list(sums.values())))), strict=True))


class Evaluation:
    """Evaluates a network, as it is at each call, together with the other ranks."""

    def __init__(
        self, model: tf.keras.Model, objective: Objective, sets: ExampleSets, ranks: Ranks, settings: TrainingSettings
    ) -> None:
        self._model, self._objective, self._sets, self._ranks = model, objective, sets, ranks
        self._batch_size, self._seed = settings.batch_size, settings.seed
        self._step = evaluation_step(model, objective)

    def of(self, examples: Examples) -> dict[str, float]:
        """Mean losses and scores on `examples`."""
        plan = self._deal(examples)
        batches = labelled_only(Batches(self._sets.catalogue, examples, plan, self._ranks.rank))
        return self._means(itertools.islice(batches, plan.steps_per_epoch))

    def of_observed(self, unlabelled: Unlabelled) -> dict[str, float]:
        """Mean losses on the observed images that were not trained on; none for a classifier alone."""
        means = self._means(unlabelled.batches(self._deal(unlabelled.validation), self._ranks.rank))
        return {name: value for name, value in means.items() if name != "loss"}

    def reconstructions(self, unlabelled: Unlabelled | None, count: int = 8) -> list[Reconstruction]:
        """Some images that were not trained on, by class, then observed ones, and what the autoencoder gives back."""
        chosen = self._sets.validation
        order = np.argsort(chosen.label, kind="stable")[np.linspace(0, len(chosen) - 1, count).astype(int)]
        images = Reader(self._sets.catalogue, chosen).read(order)
        names = [f"class {label}" for label in chosen.label[order]]
        if unlabelled:
            images = np.concatenate([images, unlabelled.pixels[unlabelled.validation[:count]]])
        names += ["observed"] * (len(images) - len(names))
        return list(zip(names, images, self._model(images)["images"].numpy(), strict=True))

    def _means(self, batches: Iterable[Joint]) -> dict[str, float]:
        sums = self._objective.no_sums()
        for batch in batches:
            for name, value in self._step(*batch).items():
                sums[name] += float(value)
        return self._objective.means(sum_over_ranks(sums, self._ranks))

    def _deal(self, examples: Sized) -> BatchPlan:
        return BatchPlan(len(examples), self._batch_size, self._ranks.size, self._seed, Loading.SHARD)
