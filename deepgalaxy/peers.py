"""Two other ways to train the same network, at their defaults: what this suite's own training is held against.

`horovod-tape` is what Horovod's TensorFlow 2 synthetic benchmark does: a `tf.function` with Horovod's gradient tape,
Keras's SGD at 0.01, on one random batch that stays the same. `keras-fit` is how the original DeepGalaxy trains (Cai et
al. 2020, section III.A): Keras's `fit` with Horovod's optimizer around Adadelta, all images in memory. Both are
written from those descriptions. Nothing is set up for them but the network, which is the suite's own, so that all
three do the same arithmetic.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from deepgalaxy.data.batches import split
from deepgalaxy.data.reader import Reader
from deepgalaxy.errors import BadResultError
from deepgalaxy.journal import Journal
from deepgalaxy.loading import checked_catalogue
from deepgalaxy.networks.cost import gradient_bytes
from deepgalaxy.networks.deepgalaxy import Part, network
from deepgalaxy.spec import RunSpec
from deepgalaxy.training.distributed import broadcast_plainly, keras_way, plain_tape
from deepgalaxy.turns import Turns
from deepgalaxy.words import Trainer

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks

SYNTHETIC_LEARNING_RATE = 0.01


class Clock(tf.keras.callbacks.Callback):  # type: ignore[misc]
    """Seconds of every step, from the end of the one before; ends a `fit` after all of them."""

    def __init__(self, spec: RunSpec, journal: Journal) -> None:
        super().__init__()
        self.step_time_s: list[float] = []
        self._total, self._warmup = spec.warmup_steps + spec.steps, spec.warmup_steps
        self._journal, self._turns = journal, Turns(journal.folder, spec)
        self._ended = time.perf_counter()

    def start(self) -> None:
        """The first step begins now."""
        self._ended = time.perf_counter()

    def tick(self) -> None:
        """A step has ended."""
        now = time.perf_counter()
        self.step_time_s.append(now - self._ended)
        self._journal.step(len(self.step_time_s), self._total, now - self._ended)
        if len(self.step_time_s) == 1:
            self._journal.phase("first_step")
        self._turns.wait(len(self.step_time_s))
        self._ended = time.perf_counter() if self._turns.taken else now

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Keras has done a step."""
        self.tick()
        self.model.stop_training = len(self.step_time_s) >= self._total

    def figures(self) -> dict[str, list[float]]:
        """The measured steps and those before, as a rank's record has them. Data can't be told from computing."""
        steps = self.step_time_s[self._warmup : self._total]
        return {
            "step_time_s": steps,
            "data_wait_s": [0.0] * len(steps),
            "warmup_step_time_s": self.step_time_s[: self._warmup],
        }


def train(spec: RunSpec, ranks: Ranks, journal: Journal) -> dict[str, Any]:
    """Train as `spec.trainer` says, and return the fields of a rank's record that are its own.

    Raises
    ------
    BadResultError: weights that are not finite afterwards
    InputError: a data file that is missing, damaged, or of another resolution
    """
    whole = network(spec.backbone, spec.resolution, {Part.CLASSIFIER}, classes=spec.classes)
    model = tf.keras.Model(whole.inputs, whole.output["classes"])
    clock = Clock(spec, journal)
    ways = {Trainer.HOROVOD_TAPE: _tape, Trainer.KERAS_FIT: _fit}
    ways[spec.trainer](spec, model, clock, journal)
    journal.phase("measure")
    wrong = next((v.name for v in model.trainable_variables if not np.isfinite(v.numpy()).all()), "")
    if wrong:
        raise BadResultError(f"{wrong} is not finite after {len(clock.step_time_s)} steps")
    return clock.figures() | {
        "loss": [],
        "parameters": int(model.count_params()),
        "gradient_bytes": gradient_bytes(model.trainable_variables),
        "checks": {
            "trainer": spec.trainer.value,
            "input_shape": str((spec.batch_size, *model.input_shape[1:])),
            "ranks": str(ranks.size),
            "transport": ranks.transport,
        },
    }


def _tape(spec: RunSpec, model: tf.keras.Model, clock: Clock, journal: Journal) -> None:
    """The same random batch again and again, one `tf.function` a step."""
    updates = tf.keras.optimizers.SGD(SYNTHETIC_LEARNING_RATE)
    data = tf.random.uniform((spec.batch_size, spec.resolution, spec.resolution, 1))
    target = tf.random.uniform((spec.batch_size, 1), minval=0, maxval=spec.classes - 1, dtype=tf.int64)

    @tf.function  # type: ignore[untyped-decorator]
    def step(first: bool) -> None:
        with tf.GradientTape() as tape:
            probabilities = model(data, training=True)
            loss = tf.keras.losses.sparse_categorical_crossentropy(target, probabilities)
        gradients = plain_tape(tape).gradient(loss, model.trainable_variables)
        updates.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        if first:
            broadcast_plainly(model.variables)
            broadcast_plainly(updates.variables)

    journal.phase("build")
    clock.start()
    for number in range(spec.warmup_steps + spec.steps):
        step(first=number == 0)
        clock.tick()


def _fit(spec: RunSpec, model: tf.keras.Model, clock: Clock, journal: Journal) -> None:
    """`fit` on all training images, which lie in memory on every rank."""
    catalogue = checked_catalogue(spec)
    examples, _ = split(catalogue, spec.seed)
    images = Reader(catalogue, examples).read(np.arange(len(examples)))
    updates = tf.keras.optimizers.Adadelta(spec.learning_rate)
    distributed, callbacks = keras_way(updates)
    model.compile(
        loss="sparse_categorical_crossentropy", optimizer=distributed, metrics=["sparse_categorical_accuracy"]
    )
    journal.phase("build")
    clock.start()
    steps = spec.warmup_steps + spec.steps
    epochs = -(-steps // max(1, len(examples) // spec.batch_size))
    model.fit(images, examples.label, spec.batch_size, epochs=epochs, verbose=0, callbacks=[*callbacks, clock])
