"""What to run: one half of the contract between harness and worker, `deepgalaxy.record` is the other.

Plain data, checked on construction, written as JSON. Nothing here imports TensorFlow,
Horovod, mpi4py or pandas: the harness reads this module in a process that must stay light.

Schema history (`SCHEMA_VERSION`)
---------------------------------
1 (2026-11) first version.
2 (2026-11) points: model, device; precision bf16-amp. Records: hosts, job, answers, peak_device_bytes.
3 (2026-11) points: compute, profile, split_steps, timeline, operator_steps, trainer,
    allreduce_rounds, yardstick, turn_steps. Records: split, exchange_s, flop_per_image, gemm_flop_per_s, operators,
    exchanges, computing_lost, yardstick_time_s, beside.
    Later: points: meet.
"""

from __future__ import annotations

import functools
import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.catalogue import BACKBONES, CLASSES, NO_BACKBONE
from deepgalaxy.words import Compute, Device, Engine, Mode, Precision, Provenance, Runtime, Trainer, possible

SCHEMA_VERSION = 3

LOADING_BLOCK = 32
"""Batches from one source before the other has its turn, where loading is compared with plain reads."""

SLOW_HOSTS = "DEEPGALAXY_SLOW_HOSTS"
"""Environment variable that names hosts whose emulated compute takes longer, and how many times: h4=1.5,h7=2."""

Struct = TypeVar("Struct", bound=msgspec.Struct)


class RunSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One point of a sweep: everything a worker must know, nothing about the machine's launcher.

    Attributes
    ----------
    resolution: image edge, pixels
    batch_size: images per worker and step (the paper's local batch, section III.A)
    workers: Horovod ranks, the paper's N_P
    exchange: False makes the workers independent processes that exchange nothing: what N ranks
        would do if communication were free
    meet: these wait for one another after every step, as ranks that exchange must
    workers_per_node: ranks that share a node
    cores_per_worker: physical cores that each rank is bound to
    steps, warmup_steps: measured steps; steps before them (tracing and settling, never counted)
    data: HDF5 file of merger images in the DeepGalaxy layout
    model: a trained model.keras to predict with (inference); left out, the weights are random
    compute: emulated replaces the arithmetic by a wait, whose schedule is in the file `profile`
    split_steps: further steps of each kind, after the measured ones, that tell where a step's time goes
    timeline: keep Horovod's own timeline of the measured steps
    operator_steps: further steps under TensorFlow's profiler, which tell what each type of operation takes
    yardstick: time the same small piece of arithmetic after every step, which tells what the machine itself was worth
        meanwhile; the step's time is without it
    turn_steps: measured steps a turn, for a run that shares its machine with others by turns; 0 for none
    allreduce_rounds: sums of messages of every size, after all that, which tell what the network does
    trainer: whose way of training; the others have no split, no timeline, and no settings of ours
    seed: of weights, data order and augmentation

    Raises
    ------
    InputError: a field out of its range; the message names field, value and what is allowed
    """

    mode: Mode
    backbone: str
    resolution: int
    batch_size: int
    workers: int
    data: str
    model: str = ""
    precision: Precision = Precision.FP32
    engine: Engine = Engine.TENSORFLOW
    device: Device = Device.CPU
    runtime: Runtime = Runtime.TUNED
    exchange: bool = True
    meet: bool = False
    workers_per_node: int = 1
    cores_per_worker: int = 1
    classes: int = CLASSES
    steps: int = 16
    warmup_steps: int = 4
    optimizer: str = "Adadelta"
    learning_rate: float = 8.0  # paper, section III.A
    seed: int = 0
    oversubscribe: bool = False
    compute: Compute = Compute.REAL
    profile: str = ""
    split_steps: int = 0
    timeline: bool = False
    operator_steps: int = 0
    allreduce_rounds: int = 0
    yardstick: bool = False
    turn_steps: int = 0
    trainer: Trainer = Trainer.SUITE
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema != SCHEMA_VERSION:
            raise InputError(f"schema {self.schema} of this run is not {SCHEMA_VERSION}, which this version reads")
        _require_combination(self)
        if self.mode is not Mode.LOAD:
            if self.backbone not in BACKBONES:
                raise InputError(near_names("backbone", self.backbone, BACKBONES))
            smallest = BACKBONES[self.backbone].min_resolution
            _at_least("resolution", self.resolution, smallest, f" for {self.backbone}")
        for field in ("batch_size", "workers", "workers_per_node", "cores_per_worker", "steps"):
            _at_least(field, getattr(self, field), 1)
        _at_least("classes", self.classes, 2)
        _at_least("warmup_steps", self.warmup_steps, 1, " (the first step traces the graph)")
        for field in ("seed", "split_steps", "operator_steps", "allreduce_rounds"):
            _at_least(field, getattr(self, field), 0)
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate {self.learning_rate} is not a positive number")

    @property
    def global_batch_size(self) -> int:
        """Images per step over all workers."""
        return self.batch_size * self.workers

    @property
    def data_name(self) -> str:
        """Name of the data file, wherever it lies."""
        return Path(self.data).name

    @property
    def provenance(self) -> Provenance:
        """What figures of this point are when ranks have run it."""
        return Provenance.MEASURED if self.compute is Compute.REAL else Provenance.EMULATED

    @property
    def curve_name(self) -> str:
        """Short readable name of the scaling curve that the point lies on."""
        return (
            f"{self.mode.value}-{self.backbone}-{self.resolution}px-b{self.batch_size}"
            f"-{self.precision.value}-{self.engine.value}"
            + ("-gpu" if self.device is Device.GPU else "")
            + ("-stock" if self.runtime is Runtime.STOCK else "")
            + ("" if self.exchange else "-meeting" if self.meet else "-independent")
            + ("" if self.trainer is Trainer.SUITE else f"-{self.trainer.value}")
            + ("-emulated" if self.compute is Compute.EMULATED else "")
        )

    @property
    def name(self) -> str:
        """Short readable name of the point; unique within a campaign together with `key`."""
        return f"{self.curve_name}-w{self.workers}"

    @property
    def key(self) -> str:
        """Identity of the point: a hash of every field that changes what is computed.

        Files count by their names, not by the folders that they happen to lie in. Fields that have their
        default are left out, so that a point stays the same when a later schema adds one.
        """
        defaults = _defaults()
        fields = {name: value for name, value in msgspec.structs.asdict(self).items() if value != defaults[name]}
        fields |= {name: Path(fields[name]).name for name in ("data", "profile") if name in fields}
        return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()[:10]


@functools.cache
def _defaults() -> dict[str, Any]:
    return {field.name: field.default for field in msgspec.structs.fields(RunSpec)}


def _require_combination(spec: RunSpec) -> None:
    """Raise where fields that are fine alone can't go together."""
    if (spec.mode is Mode.LOAD) != (spec.backbone == NO_BACKBONE):
        raise InputError(f"backbone {spec.backbone!r} with mode {spec.mode.value}: {NO_BACKBONE!r} is for load alone")
    if spec.model and spec.mode is not Mode.INFER:
        raise InputError(f"model {spec.model} with mode {spec.mode.value}: a trained one is for infer alone")
    if (spec.compute is Compute.EMULATED) != bool(spec.profile):
        raise InputError(f"compute {spec.compute.value} with profile {spec.profile!r}: emulated alone has one")
    if spec.mode is not Mode.TRAIN and (spec.split_steps or spec.timeline or spec.profile or spec.allreduce_rounds):
        told = "split_steps, timeline, allreduce_rounds and emulated compute"
        raise InputError(f"{told} are of training, not of {spec.mode.value}")
    if spec.yardstick and (spec.mode is Mode.LOAD or spec.compute is Compute.EMULATED):
        raise InputError("yardstick true: it is of real training and inference alone")
    if spec.turn_steps:
        _require_turns(spec)
    _require_exchange(spec)
    if spec.trainer is not Trainer.SUITE:
        _require_peer(spec)
    if not possible(spec.engine, spec.precision):
        raise InputError(f"precision {spec.precision.value} is the extension's: it needs engine itex")


def _require_exchange(spec: RunSpec) -> None:
    """Raise where workers are asked for what only those can do that exchange, or that do not."""
    if spec.meet and spec.exchange:
        raise InputError("meet true with workers that exchange: they wait for one another as it is")
    if spec.allreduce_rounds and not spec.exchange:
        raise InputError(f"allreduce_rounds {spec.allreduce_rounds} with workers that exchange nothing")


def _require_turns(spec: RunSpec) -> None:
    """Raise where a run can't take turns."""
    if spec.mode is Mode.LOAD or spec.compute is Compute.EMULATED:
        raise InputError(f"turn_steps {spec.turn_steps}: turns are of real training and inference alone")
    _at_least("turn_steps", spec.turn_steps, 2, " (the first step of a turn is not compared)")
    if spec.steps % spec.turn_steps:
        raise InputError(f"steps {spec.steps} are no whole turns: a multiple of {spec.turn_steps} is allowed")


def _require_peer(spec: RunSpec) -> None:
    """Raise where another way of training is asked for something that it does not have."""
    has = {
        "mode": Mode.TRAIN,
        "runtime": Runtime.STOCK,
        "compute": Compute.REAL,
        "precision": Precision.FP32,
        "exchange": True,
        "split_steps": 0,
        "operator_steps": 0,
        "allreduce_rounds": 0,
        "timeline": False,
        "yardstick": False,
    }
    for field, value in has.items():
        asked = getattr(spec, field)
        if asked != value:
            shown = getattr(asked, "value", asked), getattr(value, "value", value)
            raise InputError(f"{field} {shown[0]} with trainer {spec.trainer.value}, which has {shown[1]} alone")


def _at_least(field: str, value: int, smallest: int, why: str = "") -> None:
    if value < smallest:
        raise InputError(f"{field} {value} is too small: {smallest} or more is allowed{why}")


def to_json(record: msgspec.Struct) -> bytes:
    """Indented JSON of a spec or record."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1)


def read_json(path: Path, kind: type[Struct]) -> Struct:
    """Read a spec or record, one of an older schema as if it had been written by this version.

    Raises
    ------
    InputError: the file is missing, no JSON, or its content is not a valid `kind`
    """
    try:
        content = path.read_bytes()
        with suppress(msgspec.ValidationError):  # nearly all are of this version, and looked through once
            return msgspec.json.decode(content, type=kind)
        schema = msgspec.json.decode(content, type=_Versioned).schema
        if schema > SCHEMA_VERSION:
            raise InputError(f"{path}: schema {schema} is of a newer version; this one reads up to {SCHEMA_VERSION}")
        return msgspec.convert(_migrated(msgspec.json.decode(content)), kind)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}") from None


class _Versioned(msgspec.Struct):
    """Of any file: its schema alone. Files without one have none to differ."""

    schema: int = SCHEMA_VERSION


def _migrated(content: dict[str, Any]) -> dict[str, Any]:
    """Content of an older schema in the form of this one."""
    for part in (content, content.get("spec", {})):
        if part.get("schema") in (1, 2):  # what later schemas added has defaults
            part["schema"] = SCHEMA_VERSION
    return content
