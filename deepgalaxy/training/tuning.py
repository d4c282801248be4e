"""Search for learning rate, optimizer and batch size with Optuna (paper, footnote 7)."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import optuna
import tensorflow as tf
from sqlalchemy.exc import SQLAlchemyError

from deepgalaxy.errors import BadResultError, InputError, first_line
from deepgalaxy.figures import save
from deepgalaxy.training.settings import TrainingSettings
from deepgalaxy.training.step import optimizer
from deepgalaxy.training.trainer import Training

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks

HEARTBEAT_S = 30
"""A trial that has not been heard of for three times as long was killed: it counts as failed."""

STUDY = "deepgalaxy"


@dataclass(frozen=True)
class SearchSpace:
    """What is searched: rates between two bounds (on a logarithmic scale), optimizers, batch sizes.

    Raises
    ------
    InputError: bounds out of order, nothing to choose from, unknown optimizer
    """

    learning_rates: tuple[float, float]
    optimizers: Sequence[str]
    batch_sizes: Sequence[int]

    def __post_init__(self) -> None:
        low, high = self.learning_rates
        if not 0 < low < high < float("inf"):
            raise InputError(f"learning rates from {low:g} to {high:g}: two positive numbers, the smaller first")
        for name in self.optimizers:
            optimizer(name, 1.0)
        if not self.optimizers or not self.batch_sizes or min(self.batch_sizes) < 1:
            raise InputError(f"optimizers {self.optimizers} and batch sizes {self.batch_sizes}: at least one of each")

    def ask(self, trial: optuna.Trial) -> dict[str, Any]:
        """Values for a trial, by the fields of `TrainingSettings`."""
        return {
            "learning_rate": trial.suggest_float("learning_rate", *self.learning_rates, log=True),
            "optimizer": trial.suggest_categorical("optimizer", list(self.optimizers)),
            "batch_size": trial.suggest_categorical("batch_size", list(self.batch_sizes)),
        }


class Tuning:
    """A study in the folder `out`: `study.sqlite3`, and a folder a trial while it runs.

    Every rank makes one. Rank 0 asks Optuna and tells the others; all train each trial together.
    """

    def __init__(
        self, settings: TrainingSettings, space: SearchSpace, ranks: Ranks, out: Path, note: Callable[[str], None]
    ) -> None:
        self._settings, self._space, self._ranks, self._out, self._note = settings, space, ranks, out, note

    def run(self, trials: int, report: Callable[[float, str], None]) -> optuna.Study | None:
        """Go on until the study has `trials` trials; the study, on rank 0.

        report(trials done, what is going on)

        Raises
        ------
        InputError: a folder of another study, or that can't be written
        """
        if self._ranks.rank > 0:
            while (told := json.loads(self._ranks.share(""))).get("values") is not None:
                with suppress(BadResultError, InputError):  # rank 0 meets it as well, and tells what follows
                    self._train(told["values"], told["number"], lambda _: None)
            if told["error"]:
                raise InputError(told["error"])
            return None
        error = ""
        try:
            study = self._study()
            left = trials - sum(t.state.is_finished() for t in study.get_trials(deepcopy=False))
            if left > 0:
                study.optimize(lambda trial: self._trial(trial, report), n_trials=left, catch=(BadResultError,))
            return study
        except InputError as wrong:
            error = str(wrong)
            raise
        finally:
            self._ranks.share(json.dumps({"error": error}))

    def _study(self) -> optuna.Study:
        """The study of this folder, new or gone on with."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would print tracebacks of failed trials
        try:
            self._out.mkdir(parents=True, exist_ok=True)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of the heartbeat
                storage = optuna.storages.RDBStorage(
                    f"sqlite:///{self._out / 'study.sqlite3'}", heartbeat_interval=HEARTBEAT_S
                )
            study = optuna.create_study(storage=storage, study_name=STUDY, load_if_exists=True)
        except (OSError, RuntimeError, optuna.exceptions.OptunaError, SQLAlchemyError) as error:
            raise InputError(f"can't use the study in {self._out}: {first_line(error)}") from None
        self._require_same(study)
        # Begun anew with the same seed, the sampler would repeat its first guesses.
        study.sampler = optuna.samplers.TPESampler(seed=self._settings.seed + len(study.trials))
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
        return study

    def _require_same(self, study: optuna.Study) -> None:
        """See to it that this study's trials compare with ours."""
        if "settings" in study.user_attrs:
            before = msgspec.json.decode(study.user_attrs["settings"], type=TrainingSettings)
            self._settings.require_same(before, str(self._out), may_change=())
        told = {"space": repr(self._space), "workers": self._ranks.size}
        for name, value in told.items():
            if study.user_attrs.get(name, value) != value:
                raise InputError(
                    f"{self._out} was begun with {name} {study.user_attrs[name]}, not {value}: choose another --out"
                )
            study.set_user_attr(name, value)
        study.set_user_attr("settings", msgspec.json.encode(self._settings).decode())

    def _trial(self, trial: optuna.Trial, report: Callable[[float, str], None]) -> float:
        values = self._space.ask(trial)
        shown = ", ".join(
            f"{name} {value:.3g}" if name == "learning_rate" else str(value) for name, value in values.items()
        )
        report(trial.number, f"trials  {shown}")
        self._ranks.share(json.dumps({"values": values, "number": trial.number}))
        losses: list[float] = []

        def after_epoch(loss: float) -> bool:
            losses.append(loss)
            trial.report(loss, len(losses))
            return trial.should_prune()

        try:
            pruned = self._train(values, trial.number, after_epoch)
        except BadResultError as error:
            self._note(f"trial {trial.number}: {shown}: failed: {error}")
            raise
        outcome = f"pruned after epoch {len(losses)}" if pruned else f"validation loss {min(losses):.4g}"
        self._note(f"trial {trial.number}: {shown}: {outcome}")
        if pruned:
            raise optuna.TrialPruned
        return min(losses)

    def _train(self, values: dict[str, Any], number: int, after_epoch: Callable[[float], Any]) -> bool:
        """Train one trial; whether it was pruned.

        after_epoch(validation loss): whether to stop here; asked on rank 0
        """
        tf.keras.backend.clear_session()
        tf.keras.utils.set_random_seed(self._settings.seed)
        folder = self._out / "trials" / str(number)
        settings = msgspec.structs.replace(self._settings, **values)
        training = Training(settings, self._ranks, folder, lambda _: None)
        training.begin(resume=False)
        pruned = False

        def stop(row: dict[str, float]) -> bool:
            nonlocal pruned
            pruned = self._ranks.share("prune" if after_epoch(row["val_loss"]) else "go on") == "prune"
            return pruned

        training.run(lambda *_: None, stop)
        if self._ranks.rank == 0:
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
            (folder / "model.keras").unlink(missing_ok=True)
        return pruned


def draw(study: optuna.Study, path: Path) -> None:
    """Validation loss of the trials against learning rate, by optimizer and batch size; pruned ones hollow.

    Raises
    ------
    InputError: `path` can't be written
    """
    from matplotlib.figure import Figure

    trials = [t for t in study.trials if t.intermediate_values]
    kinds = sorted({(t.params["optimizer"], t.params["batch_size"]) for t in trials})
    figure = Figure(figsize=(6.4, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    colours = ["#000000", "#e69f00", "#56b4e9", "#009e73", "#d55e00", "#0072b2", "#cc79a7"]  # Okabe & Ito 2008
    for i, kind in enumerate(kinds):
        for finished in (True, False):
            shown = [
                t
                for t in trials
                if (t.params["optimizer"], t.params["batch_size"]) == kind
                and (t.state == optuna.trial.TrialState.COMPLETE) == finished
            ]
            axes.plot(
                [t.params["learning_rate"] for t in shown],
                [min(t.intermediate_values.values()) for t in shown],
                "os^Dv<>"[i % 7],
                color=colours[i % 7],
                fillstyle="full" if finished else "none",
                label=f"{kind[0]}, batch {kind[1]}" if finished else None,
            )
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="lowest validation loss")
    axes.set_title(f"{len(trials)} trials; hollow: pruned", fontsize=9)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, fontsize=8)
    save(figure, path)
