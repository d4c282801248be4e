"""Peak memory of a worker, for any backbone, resolution, batch and precision, from a few measured runs.

What a worker holds, in the terms of which the model is a sum (each with a coefficient that is fitted, none negative):

  base      interpreter, TensorFlow, MPI, the images' file: the same for all points of a mode, but for
            what is particular to a precision and engine
  state     training: weights, gradients and the optimizer's slots, 4 bytes a number; inference: weights
  graph     the graph of the step itself, by its number of operations
  maps      feature maps alive at once: pixels x batch x bytes per pixel, from a liveness analysis of the step's graph
            (`deepgalaxy.networks.live`), half of them in bf16; the coefficient, one for each mode, precision and
            engine, stands for the allocator and the libraries' own copies
  exchange  more than one rank: Horovod, and its fusion buffer, as far as gradients fill it
            (HOROVOD_FUSION_THRESHOLD is 128 MiB in Horovod 0.28)

A backbone may differ in its maps from what the analysis says by a share of its own: a coefficient with a prior, normal
around 0 (a mixed model, e.g. Gelman & Hill 2007, chapter 12), and so may a precision and engine in the base. It is
learnt where the backbone was measured; where it was not, it widens the interval, and so does how far off the model is
for backbones that it is fitted without. Errors are taken as relative: rows are weighted by 1 / measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from scipy.special import stdtrit

from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.costs import MemoryCost
from deepgalaxy.words import Engine, Mode, Precision

SLOTS = {"SGD": 0, "Adagrad": 1, "RMSprop": 1, "Adadelta": 2, "Adam": 2, "Adamax": 2, "Ftrl": 2, "Nadam": 2}
"""Numbers that Keras's legacy optimizers keep for each trainable one."""

FUSION_BYTES = 128 * 2**20
NUMBER_BYTES = 4  # variables are float32 in every precision

PRIOR_OVER_NOISE = 5.0
"""Prior spread of a backbone's own share of its maps, and of a kind's share of `KIND_BYTES`, over the spread of points
around the model (some 3%, so 15%)."""

KIND_BYTES = 2**30
MAP_SHARE = {Precision.FP32: 1.0, Precision.BF16: 0.5, Precision.BF16_AMP: 0.5}
"""Bytes of feature maps over those in fp32."""

CONFIDENCE = 0.95

TERMS = ("base", "state", "graph", "maps", "exchange")


class Load(msgspec.Struct, frozen=True):
    """What the memory of a worker depends on. resolution: image edge, pixels; batch_size: images a worker and step."""

    mode: Mode
    backbone: str
    resolution: int
    batch_size: int
    precision: Precision = Precision.FP32
    engine: Engine = Engine.TENSORFLOW
    workers: int = 1
    optimizer: str = "Adadelta"


class Peak(msgspec.Struct, frozen=True):
    """A measured peak of resident memory, of the hungriest rank, bytes."""

    load: Load
    peak_rss_bytes: float


class Estimate(NamedTuple):
    """A predicted peak with its 95% prediction interval, bytes, and its parts by term (`TERMS`)."""

    peak_rss_bytes: float
    low: float
    high: float
    parts: dict[str, float]


@dataclass(frozen=True)
class MemoryModel:
    """A fitted model.

    columns: names of what is fitted, a term and what it is of; coefficients: (columns,)
    covariance: (columns, columns) of the coefficients, in units of `spread` squared
    spread: relative, of points around the model; freedom: degrees of freedom that are left for it
    widening: by mode, of the interval of a backbone that was not measured: see `_widening`
    """

    costs: Mapping[str, MemoryCost]
    columns: tuple[str, ...]
    coefficients: NDArray[np.float64]
    covariance: NDArray[np.float64]
    spread: float
    freedom: float
    widening: Mapping[Mode, float]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.columns)}

    @cached_property
    def _quantile(self) -> float:
        return float(stdtrit(self.freedom, 0.5 + CONFIDENCE / 2))  # of Student's t

    def knows(self, load: Load) -> bool:
        """Whether points of its mode, precision and engine were among the measured."""
        return (
            load.backbone in self.costs and load.optimizer in SLOTS and all(c in self._place for c in _required(load))
        )

    def predict(self, load: Load) -> Estimate:
        """Peak of resident memory of one worker.

        Raises
        ------
        InputError: nothing of its mode, precision and engine was measured, or the backbone's costs are not known
        """
        if load.backbone not in self.costs:
            raise InputError(
                f"{load.backbone} has no costs yet: python tools/network_costs.py {load.backbone} finds them"
            )
        if not self.knows(load):
            what = f"{load.mode.value} {load.backbone} in {load.precision.value} with {load.engine.value}"
            raise InputError(f"memory of {what}: no point of this mode, precision and engine was measured")
        row = _row(load, self.costs)
        known = {c: v for c, v in row.items() if c in self._place}
        at = [self._place[c] for c in known]
        values = np.fromiter(known.values(), float)
        parts = dict.fromkeys(TERMS, 0.0)
        for column, share in zip(known, values * self.coefficients[at], strict=True):
            parts[column.partition(" ")[0]] += float(share)
        parts["maps"] = max(0.0, parts["maps"])  # a backbone's own share may be negative
        peak = sum(parts.values())
        variance = 1 + values @ self.covariance[np.ix_(at, at)] @ values / peak**2
        if len(known) < len(row):  # a backbone that was not measured: all that is known of it is the prior
            variance += (PRIOR_OVER_NOISE * row[_own(load)] / peak) ** 2
            variance *= self.widening.get(load.mode, 1.0) ** 2
        reach = float(np.exp(self._quantile * self.spread * np.sqrt(variance)))
        return Estimate(peak, peak / reach, peak * reach, parts)


def fit(measured: Sequence[Peak], costs: Mapping[str, MemoryCost]) -> MemoryModel:
    """The model of measured peaks.

    costs: of every backbone among them, and of those to be predicted

    Raises
    ------
    InputError: too few points, or a backbone or optimizer that nothing is known of
    """
    return replace(_fit(measured, costs), widening=_widening(measured, costs))


def _fit(measured: Sequence[Peak], costs: Mapping[str, MemoryCost]) -> MemoryModel:
    """The same without the widening."""
    for point in measured:
        for field, known in (("backbone", costs), ("optimizer", SLOTS)):
            if (value := getattr(point.load, field)) not in known:
                raise InputError(near_names(field, value, known))
    rows = [_row(point.load, costs) for point in measured]
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    own = np.array([column.startswith(("maps of", "base of")) for column in columns], bool)
    shared = int(np.count_nonzero(~own))
    if len(measured) <= shared:
        raise InputError(f"{len(measured)} measured points are too few for a memory model of {shared} coefficients")
    y = np.array([point.peak_rss_bytes for point in measured], float)
    values = np.array([[row.get(c, 0.0) for c in columns] for row in rows]) / y[:, None]
    prior = np.diag(np.ones(len(columns)))[own] / PRIOR_OVER_NOISE
    whole = np.vstack([values, prior])
    scale = np.abs(whole).max(axis=0)
    target = np.concatenate([np.ones(len(y)), np.zeros(len(prior))])
    found = lsq_linear(whole / scale, target, bounds=(np.where(own, -np.inf, 0.0), np.inf), tol=1e-12)
    coefficients = found.x / scale
    covariance = _covariance(whole, scale, free=own | (found.x > 1e-9))
    freedom = max(1.0, len(y) - float(np.einsum("ij,jk,ik->", values, covariance, values)))
    residuals = values @ coefficients - 1
    return MemoryModel(
        costs=costs,
        columns=columns,
        coefficients=coefficients,
        covariance=covariance,
        spread=float(np.sqrt(np.sum(residuals**2) / freedom)),
        freedom=freedom,
        widening={},
    )


def _widening(measured: Sequence[Peak], costs: Mapping[str, MemoryCost]) -> dict[Mode, float]:
    """By mode, how much further than the model says backbones are off that it was fitted without.

    Root mean square over backbones of their points' errors in units of the predicted spread, at least 1.
    """
    squares: dict[Mode, dict[str, list[float]]] = {}
    for backbone in dict.fromkeys(point.load.backbone for point in measured):
        with suppress(InputError):  # too few points are left without it
            model = _fit([point for point in measured if point.load.backbone != backbone], costs)
            for point in measured:
                if point.load.backbone == backbone and model.knows(point.load):
                    estimate = model.predict(point.load)
                    sigma = np.log(estimate.high / estimate.peak_rss_bytes) / model._quantile
                    off = np.log(point.peak_rss_bytes / estimate.peak_rss_bytes) / sigma
                    squares.setdefault(point.load.mode, {}).setdefault(backbone, []).append(float(off**2))
    means = {mode: np.mean([np.mean(each) for each in of.values()]) for mode, of in squares.items()}
    return {mode: max(1.0, float(np.sqrt(mean))) for mode, mean in means.items()}


def _row(load: Load, costs: Mapping[str, MemoryCost]) -> dict[str, float]:
    """Values of the columns that a point has."""
    cost, kind = costs[load.backbone], _kind(load)
    pixels = load.batch_size * load.resolution**2 * MAP_SHARE[load.precision]
    if load.mode is Mode.TRAIN:
        maps = pixels * cost.training_bytes_per_pixel
        numbers = cost.parameters + (1 + SLOTS[load.optimizer]) * cost.trainable_parameters
    else:
        maps, numbers = pixels * cost.inference_bytes_per_pixel, cost.parameters
    row = {
        f"base {load.mode.value}": 1.0,
        f"base of {kind}": float(KIND_BYTES),
        f"state {load.mode.value}": float(NUMBER_BYTES * numbers),
        f"graph {load.mode.value}": float(cost.operations),
        f"maps {kind}": maps,
        _own(load): maps,
    }
    if load.mode is Mode.TRAIN and load.workers > 1:
        row["exchange"] = 1.0
        row["exchange fusion"] = float(min(FUSION_BYTES, NUMBER_BYTES * cost.trainable_parameters))
    return row


def _required(load: Load) -> set[str]:
    """Columns without which a point can't be predicted."""
    exchange = {"exchange"} if load.mode is Mode.TRAIN and load.workers > 1 else set()
    return {f"maps {_kind(load)}"} | exchange


def _kind(load: Load) -> str:
    return f"{load.mode.value} {load.precision.value} {load.engine.value}"


def _own(load: Load) -> str:
    return f"maps of {load.backbone}, {load.mode.value}"


def _covariance(rows: NDArray[np.float64], scale: NDArray[np.float64], free: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of the coefficients in units of the spread squared; those that rest on their bound have none."""
    scaled = (rows / scale)[:, free]
    covariance = np.zeros((len(scale), len(scale)))
    covariance[np.ix_(free, free)] = np.linalg.pinv(scaled.T @ scaled, hermitian=True)
    return covariance / np.outer(scale, scale)
