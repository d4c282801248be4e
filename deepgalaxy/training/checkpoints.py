"""Checkpoints: everything that a training needs to go on, each whole or not there.

A checkpoint is TensorFlow's own (weights, moving statistics, the optimizer's state), and a manifest,
`step-NNNNNNNN.json`, with the position, the history, and the files' digests. The manifest is written last:
without it, or where a digest differs, a checkpoint is not used, and the one before it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import tensorflow as tf

from deepgalaxy.errors import InputError, first_line
from deepgalaxy.files import replacing
from deepgalaxy.training.settings import TrainingSettings

KEPT = 3

SCHEMA = 1


class State(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where a training stands.

    step: steps done since the start; sums: totals of the epoch under way, over all ranks
    history: a row per epoch that is done; best_loss, best_epoch: of validation so far
    """

    step: int = 0
    sums: dict[str, float] = {}
    history: list[dict[str, float]] = []
    best_loss: float | None = None
    best_epoch: int = 0


class _Manifest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    schema: int
    settings: TrainingSettings
    workers: int
    state: State
    sha256: dict[str, str]


class Checkpoints:
    """The checkpoints of one training in one folder; the newest three are kept."""

    def __init__(
        self,
        folder: Path,
        settings: TrainingSettings,
        workers: int,
        model: tf.keras.Model,
        updates: tf.keras.optimizers.legacy.Optimizer,
    ) -> None:
        self._folder, self._settings, self._workers = folder, settings, workers
        self._checkpoint = tf.train.Checkpoint(model=model, optimizer=updates)

    def write(self, state: State) -> None:
        """Keep model, optimizer and `state`.

        Raises
        ------
        InputError: the folder can't be written, or the disk is full
        """
        prefix = self._folder / f"step-{state.step:08d}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._checkpoint.write(str(prefix))
            digests = {path.name: _sha256(path) for path in self._data_files(prefix)}
            manifest = _Manifest(
                schema=SCHEMA, settings=self._settings, workers=self._workers, state=state, sha256=digests
            )
            with replacing(prefix.with_suffix(".json")) as partial:
                partial.write_bytes(msgspec.json.encode(manifest))
        except (OSError, tf.errors.OpError) as error:
            raise InputError(f"can't write checkpoint {prefix}: {first_line(error)}") from None
        for old in self.newest()[KEPT:]:
            for path in (old, *self._data_files(old.with_suffix(""))):
                path.unlink(missing_ok=True)

    def restore(self, note: Callable[[str], None]) -> State:
        """Put the newest usable checkpoint into model and optimizer; `note` is told of those that are not.

        Raises
        ------
        InputError: there is none, or it is of a training with other settings
        """
        found = self.newest()
        for path in found:
            try:
                manifest = self._checked(path)
                self._checkpoint.read(str(path.with_suffix(""))).assert_existing_objects_matched()
            except (OSError, ValueError, AssertionError, tf.errors.OpError) as error:
                if isinstance(error, InputError):
                    raise
                note(f"checkpoint {path} can't be used: {first_line(error)}; trying the one before it")
                continue
            if manifest.workers != self._workers and manifest.state.sums:
                raise InputError(
                    f"checkpoint {path} lies within an epoch of {manifest.workers} workers: "
                    f"go on with {manifest.workers}, not {self._workers}"
                )
            return manifest.state
        raise InputError(f"no usable checkpoint in {self._folder} ({len(found)} found): start without --resume")

    def _checked(self, path: Path) -> _Manifest:
        """The manifest, when its files are what it says.

        ValueError: they are not
        """
        try:
            manifest = msgspec.json.decode(path.read_bytes(), type=_Manifest)
        except msgspec.MsgspecError as error:
            raise ValueError(f"its manifest is damaged or of another version: {error}") from None
        if manifest.schema != SCHEMA:
            raise ValueError(f"its schema {manifest.schema} is not {SCHEMA}")
        self._settings.require_same(manifest.settings, str(path.parent.parent))
        for name, digest in manifest.sha256.items():
            if not (path.parent / name).is_file():
                raise ValueError(f"{name} is missing")
            if _sha256(path.parent / name) != digest:
                raise ValueError(f"{name} is damaged")
        return manifest

    def newest(self) -> list[Path]:
        """Newest first."""
        return sorted(self._folder.glob("step-*.json"), reverse=True)

    @staticmethod
    def _data_files(prefix: Path) -> Iterator[Path]:
        return prefix.parent.glob(f"{prefix.name}.[di]*")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()
