"""What a worker does in a step: training or inference of the classifier on merger images."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from deepgalaxy import probe, runtime
from deepgalaxy.data.batches import BatchPlan, Examples, split
from deepgalaxy.data.layout import Catalogue
from deepgalaxy.data.pipeline import Batches
from deepgalaxy.data.reader import Reader
from deepgalaxy.engine import executed_products, require_precision
from deepgalaxy.errors import BadResultError, InputError
from deepgalaxy.inference import frozen
from deepgalaxy.loading import checked_catalogue
from deepgalaxy.networks.cost import gradient_bytes, graph_flops
from deepgalaxy.networks.deepgalaxy import NAME_PREFIX, Part, in_global_precision, load_network, network, parts_of
from deepgalaxy.operators import Node, measure_operators, nodes_of
from deepgalaxy.record import Answers, OperatorCost
from deepgalaxy.spec import RunSpec
from deepgalaxy.training.objective import Objective
from deepgalaxy.training.randomness import own_random_state
from deepgalaxy.training.ranks import Alone
from deepgalaxy.training.split import Kinds
from deepgalaxy.training.step import optimizer, train_step
from deepgalaxy.words import Engine, Mode, Precision, Runtime

if TYPE_CHECKING:
    from deepgalaxy.training.ranks import Ranks


ANSWERED = 256
"""Labelled images whose predicted probabilities are kept, where the model is a trained one."""


@dataclass
class Workload:
    """A model, its batches, and the function that is a step.

    step(images, labels, weights) -> this rank's loss (training) or the least sure probability (inference)
    products: number of convolutions and matrix products by data type that the first step ran
    keeps_graph: whether the first step also keeps the operations that ran, for `operators`
    """

    model: tf.keras.Model
    precision: Precision
    catalogue: Catalogue
    examples: Examples
    batches: Batches
    input_shape: tuple[int, ...]
    gradient_bytes: int
    trained: bool
    _build: Callable[[], Any]
    _run: Callable[..., float]
    _others: Callable[[], tuple[Any, Any]] | None = None
    _function: Any = None
    products: Counter[str] = field(default_factory=Counter)
    keeps_graph: bool = False
    _nodes: dict[str, Node] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """Trainable and not."""
        return int(self.model.count_params())

    def trace(self) -> None:
        """Build the step's graph, so that its cost does not hide in the first step."""
        self._function = self._build()

    def step(self, images: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor) -> float:
        """One step, returning when its result is known; the first one looks at the graph that runs.

        Raises
        ------
        BadResultError: it does not compute in the precision asked for
        """
        if self.products:
            return self._run(self._function, images, labels, weights)
        with executed_products(self._keep if self.keeps_graph else None) as products:
            value = self._run(self._function, images, labels, weights)
        require_precision(self.precision, products)
        self.products = products
        probe.forget_peak()  # the look took memory that the step does not
        return value

    def _keep(self, graphs: Iterable[Any]) -> None:
        self._nodes = nodes_of(graphs)

    def operators(self, batches: Iterator[Any], steps: int) -> list[OperatorCost]:
        """What each type of operation takes of a step; the first step must have been taken with `keeps_graph`."""
        return measure_operators(lambda: self.step(*next(batches)), steps, self._function.graph, self._nodes)

    @property
    def flop_per_image(self) -> float:
        """Floating-point operations of a step for one image, as its graph has them."""
        return graph_flops(self._function.graph) / self.input_shape[0]

    def kinds(self) -> Kinds:
        """The training step with all, without the exchange, and without the update."""
        assert self._others is not None, "inference has one kind of step"
        alone, compute = (partial(self._run, function) for function in self._others())
        return Kinds(self.step, alone, compute)

    def answers(self) -> Answers | None:
        """What a trained network says of `ANSWERED` images spread evenly over the labelled ones it runs on."""
        if not self.trained:
            return None
        examples = self.examples
        chosen = np.unique(np.linspace(0, len(examples) - 1, ANSWERED).astype(np.int64))
        reader, size = Reader(self.catalogue, examples), self.input_shape[0]
        padded = np.resize(chosen, -(-len(chosen) // size) * size)
        parts = [self._function(tf.constant(reader.read(part)))[0].numpy() for part in padded.reshape(-1, size)]
        probabilities = np.concatenate(parts)[: len(chosen)].astype(np.float64)
        return Answers(label=examples.label[chosen].tolist(), probabilities=probabilities.round(6).tolist())

    def check_values(self, values: list[float]) -> None:
        """Raise when a step's result can't be right.

        Raises
        ------
        BadResultError: a loss or probability that is not finite
        """
        wrong = [i for i, value in enumerate(values) if not math.isfinite(value)]
        if wrong:
            raise BadResultError(f"step {wrong[0]} gave {values[wrong[0]]}: not a finite loss or probability")


def prepare(spec: RunSpec, ranks: Ranks) -> Workload:
    """The workload of `spec`, with the same initial weights on every rank.

    Raises
    ------
    InputError: a data file that is missing, damaged, of another resolution or too small
    """
    catalogue = checked_catalogue(spec)
    training, validation = split(catalogue, spec.seed)
    examples = training if spec.mode is Mode.TRAIN else validation
    if int(examples.label.max()) >= spec.classes:
        raise InputError(f"{spec.data} holds class {examples.label.max()}, the model has {spec.classes} classes")
    plan = BatchPlan(len(examples), spec.batch_size, spec.workers, spec.seed, drop_remainder=True)
    own_random_state()
    model = _model(spec)
    ranks.broadcast(model.variables)
    images = tf.TensorSpec((spec.batch_size, spec.resolution, spec.resolution, 1), tf.float32)
    labels, weights = (tf.TensorSpec((spec.batch_size,), dtype) for dtype in (tf.int64, tf.float32))
    common = {
        "model": model,
        "catalogue": catalogue,
        "examples": examples,
        "precision": spec.precision,
        "trained": bool(spec.model),
        "keeps_graph": spec.operator_steps > 0,
        "batches": Batches(catalogue, examples, plan, ranks.rank),
        "input_shape": tuple(images.shape),
    }
    if spec.mode is Mode.INFER:
        return Workload(
            **common,
            gradient_bytes=0,
            _build=lambda: frozen(model, tuple(images.shape)),
            _run=lambda predict, images, *_: float(np.max(predict(images)[0].numpy(), axis=-1).min()),
        )
    if spec.engine is Engine.TENSORFLOW and spec.runtime is Runtime.TUNED and not runtime.grappler():
        # Grappler finds nothing to gain in a training graph on stock CPU kernels (same step time,
        # several seconds more before the first); the extension's own passes run through it.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    updates = optimizer(spec.optimizer, spec.learning_rate)

    def step_among(peers: Ranks, *, update: bool = True) -> Any:
        return train_step(model, Objective({"classes": 1.0}), updates, peers, seed=spec.seed, update=update)

    return Workload(
        **common,
        gradient_bytes=gradient_bytes(model.trainable_variables),
        _build=lambda: step_among(ranks).get_concrete_function(images, labels, weights, weights),
        _run=lambda step, images, labels, weights: _mean_loss(step(images, labels, weights, weights)),
        _others=lambda: (step_among(Alone(ranks.rank, ranks.size)), step_among(ranks, update=False)),
    )


def _model(spec: RunSpec) -> tf.keras.Model:
    """The trained network that was asked for, or one with random weights."""
    if not spec.model:
        return network(spec.backbone, spec.resolution, {Part.CLASSIFIER}, classes=spec.classes)
    model = in_global_precision(load_network(Path(spec.model)))
    backbone, resolution = model.name.removeprefix(NAME_PREFIX), model.input_shape[1] or spec.resolution
    classes = model.output_shape["classes"][-1] if Part.CLASSIFIER in parts_of(model) else 0
    found, asked = (backbone, resolution, classes), (spec.backbone, spec.resolution, spec.classes)
    if found != asked:
        told = [f"{b} for {r} pixels and {c} classes" for b, r, c in (found, asked)]
        raise InputError(f"model {spec.model} is a {told[0]}, not the {told[1]} that was asked for")
    return model


def _mean_loss(sums: dict[str, tf.Tensor]) -> float:
    return float(sums["classes"] / sums["labelled_count"])
