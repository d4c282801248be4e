"""A whole training: epochs of steps, validation, early stopping, logs, checkpoints.

Its folder holds `settings.json`, `log.csv`, `curves.png`, `tensorboard/`, `checkpoints/`, and `model.keras`,
the network as it was at the lowest validation loss.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from deepgalaxy.data.batches import BatchPlan, Loading
from deepgalaxy.data.unlabelled import Unlabelled, convert
from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.files import replacing
from deepgalaxy.networks.deepgalaxy import load_network, network
from deepgalaxy.spec import to_json
from deepgalaxy.training.checkpoints import Checkpoints, State
from deepgalaxy.training.evaluation import Evaluation, sum_over_ranks
from deepgalaxy.training.examples import ExampleSets, example_sets, training_batches
from deepgalaxy.training.logs import Logs, Row
from deepgalaxy.training.objective import Objective
from deepgalaxy.training.randomness import own_random_state
from deepgalaxy.training.settings import TrainingSettings
from deepgalaxy.training.step import average_moving_statistics, optimizer, train_step

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks

Report = Callable[[float, str], None]
"""report(epochs done, what was reached)"""


class Training:
    """One rank of a training in the folder `out`. `note` is told what a user should know (rank 0 alone).

    Raises
    ------
    InputError: data, weights or settings that can't be used; a folder that is in use or can't be written
    """

    def __init__(self, settings: TrainingSettings, ranks: Ranks, out: Path, note: Callable[[str], None]) -> None:
        self.settings, self.out = settings, out
        self._ranks, self._note = ranks, note
        self.objective = Objective(settings.loss_weights, settings.classification_loss)
        self.sets: ExampleSets = example_sets(settings)
        self._plan = BatchPlan(
            len(self.sets.training),
            settings.batch_size * settings.passes,
            ranks.size,
            settings.seed,
            Loading(settings.loading),
            settings.reshuffle_every,
        )
        own_random_state()
        self.model = network(
            settings.backbone,
            self.sets.catalogue.resolution,
            self.objective.parts,
            classes=settings.classes,
            latent=settings.latent,
            weights=settings.weights,
        )
        self.model.get_layer("encoder").trainable = self.objective.shapes_encoder
        self._updates = optimizer(settings.optimizer, settings.learning_rate)
        self._step = train_step(
            self.model, self.objective, self._updates, ranks, seed=settings.seed, passes=settings.passes
        )
        self.evaluation = Evaluation(self.model, self.objective, self.sets, ranks, settings)
        self._checkpoints = Checkpoints(out / "checkpoints", settings, ranks.size, self.model, self._updates)
        self.unlabelled: Unlabelled | None = None
        self._state = State()

    def begin(self, *, resume: bool) -> None:
        """Claim the folder and give every rank the same start: new, or the newest checkpoint's.

        Raises
        ------
        InputError: on every rank alike, what was wrong on the first
        """
        told = {"error": "", "state": self._state}
        if self.is_first:
            try:
                told["state"] = self._start(resume=resume)
            except InputError as error:
                told["error"] = str(error)
        told = msgspec.json.decode(self._ranks.share(msgspec.json.encode(told).decode()))
        if told["error"]:
            raise InputError(told["error"])
        self._state = msgspec.convert(told["state"], State)
        self._ranks.broadcast([*self.model.variables, *self._updates.variables()])

    def _start(self, *, resume: bool) -> State:
        if not resume and self._checkpoints.newest():
            raise InputError(f"{self.out} holds a training: go on with --resume, or choose another --out")
        state = self._checkpoints.restore(self._note) if resume else State()
        with replacing(self.out / "settings.json") as partial:
            partial.write_bytes(to_json(self.settings))
        return state

    def run(self, report: Report, stop: Callable[[Row], bool] = lambda _: False) -> list[Row]:
        """Train to the end; the history, a row an epoch. `begin` goes before it.

        stop(row of the last epoch): whether to end here

        Raises
        ------
        BadResultError: the loss is not finite
        """
        per_epoch = self._plan.steps_per_epoch
        if self._state.sums == {} and self._state.history:  # an epoch's end, whatever number of workers made it
            self._state.step = len(self._state.history) * per_epoch
        logs = Logs(self.out, self._title()) if self.is_first else None
        self.unlabelled = self._observed()
        batches = training_batches(self.settings, self.sets, self._plan, self._ranks, self._state.step, self.unlabelled)
        local = self.objective.no_sums()
        began = time.monotonic()
        while len(self._state.history) < self.settings.epochs and not self._patience_is_over():
            epoch = self._state.step / per_epoch
            self._updates.learning_rate = self.settings.rate(epoch, self._ranks.size)
            sums = self._step(*next(batches))
            for name, value in sums.items():
                local[name] += float(value)
            self._state.step += 1
            report(self._state.step / per_epoch, f"loss {self.objective.means(local)['loss']:.4g}")
            ended = self._state.step % per_epoch == 0
            if not ended and not self._checkpoint_is_due():
                continue
            self._agree(local)
            local = self.objective.no_sums()
            if ended:
                self._end_epoch(time.monotonic() - began, logs)
                began = time.monotonic()
            if self.is_first:
                self._checkpoints.write(self._state)
            if ended and stop(self._state.history[-1]):
                break
        return self._state.history

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which writes and tells."""
        return self._ranks.rank == 0

    def load_best(self) -> None:
        """Put the network of the lowest validation loss in place of the last one, on all ranks."""
        if self.is_first:
            self.model.set_weights(load_network(self.out / "model.keras").get_weights())
        self._ranks.broadcast(self.model.variables)

    def _end_epoch(self, took_s: float, logs: Logs | None) -> None:
        """Validate, and write down what the epoch reached."""
        state = self._state
        means = self.objective.means(state.sums)
        validation = self.evaluation.of(self.sets.validation)
        number = len(state.history) + 1
        state.history = [
            *state.history,
            {"epoch": number, **means}
            | {f"val_{name}": value for name, value in validation.items()}
            | {"learning_rate": float(self._updates.learning_rate), "time_s": took_s}
            | {"images_per_s": state.sums["image_count"] / took_s},
        ]
        state.sums = {}
        if not all(map(math.isfinite, (means["loss"], validation["loss"]))):
            raise BadResultError(
                f"epoch {number}: loss {means['loss']}, validation {validation['loss']}: not finite; "
                f"a lower learning rate than {self.settings.learning_rate:g} may help"
            )
        better = state.best_loss is None or validation["loss"] < state.best_loss
        if better:
            state.best_loss, state.best_epoch = validation["loss"], number
        if logs:
            if better:
                self._save_model()
            logs.epoch(state.history)
            self._note(_told(state.history[-1], self.settings.epochs))

    def _agree(self, local: Mapping[str, float]) -> None:
        """Add up what the ranks counted, and average what batch normalisation saw on each."""
        total = sum_over_ranks(local, self._ranks)
        self._state.sums = {name: self._state.sums.get(name, 0.0) + value for name, value in total.items()}
        average_moving_statistics(self.model, self._ranks)

    def _checkpoint_is_due(self) -> bool:
        return bool(self.settings.checkpoint_every) and self._state.step % self.settings.checkpoint_every == 0

    def _patience_is_over(self) -> bool:
        waited = len(self._state.history) - self._state.best_epoch
        return bool(self.settings.patience) and waited >= self.settings.patience

    def _observed(self) -> Unlabelled | None:
        """Observed images, read by rank 0 into a file that all ranks map; none where none were asked for."""
        if not self.settings.unlabelled:
            return None
        resolution = self.sets.catalogue.resolution
        path = self.out / f"unlabelled_{resolution}.float32"
        if self.is_first and not path.exists():
            count = convert(
                self.settings.unlabelled, resolution, path, lambda f: self._note(f"skipped {f.name}: {f.reason}")
            )
            self._note(f"{count} unlabelled images of {self.settings.unlabelled}")
        self._ranks.wait_for_all()
        return Unlabelled.mapped(path, resolution, self.settings.seed)

    def _save_model(self) -> None:
        with replacing(self.out / "model.keras") as partial:
            self.model.save(partial)

    def _title(self) -> str:
        s = self.settings
        return (
            f"{s.backbone}, {self.sets.catalogue.resolution}², {s.optimizer}, learning rate {s.learning_rate:g}, "
            f"{self._ranks.size} workers of batch {s.batch_size * s.passes}"
        )


def _told(row: Row, epochs: int) -> str:
    """One line on an epoch."""
    shown = {"loss": "", "top_1": "", "error_myr": " Myr"}
    pairs = [f"{name} {row[name]:.4g} / {row['val_' + name]:.4g}{unit}" for name, unit in shown.items() if name in row]
    return "  ".join(
        [f"epoch {row['epoch']:.0f}/{epochs}", *pairs, "(training / validation)", f"{row['images_per_s']:.1f} images/s"]
    )
