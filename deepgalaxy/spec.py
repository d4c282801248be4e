"""The one contract between harness and worker: what to run, and what ran.

Plain data, checked on construction, written as JSON. Nothing here imports TensorFlow,
Horovod, mpi4py or pandas: the harness reads this module in a process that must stay light.

Schema history (`SCHEMA_VERSION`)
---------------------------------
1 (2026-11) first version.
2 (2026-11) points: model, device; precision bf16-amp. Records: hosts, job, answers, peak_device_bytes.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.catalogue import BACKBONES, CLASSES, NO_BACKBONE
from deepgalaxy.words import Device, Engine, Mode, Outcome, Precision, Provenance, Runtime, possible

SCHEMA_VERSION = 2

LOADING_BLOCK = 32
"""Batches from one source before the other has its turn, where loading is compared with plain reads."""

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
    workers_per_node: ranks that share a node
    cores_per_worker: physical cores that each rank is bound to
    steps, warmup_steps: measured steps; steps before them (tracing and settling, never counted)
    data: HDF5 file of merger images in the DeepGalaxy layout
    model: a trained model.keras to predict with (inference); left out, the weights are random
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
    workers_per_node: int = 1
    cores_per_worker: int = 1
    classes: int = CLASSES
    steps: int = 16
    warmup_steps: int = 4
    optimizer: str = "Adadelta"
    learning_rate: float = 8.0  # paper, section III.A
    seed: int = 0
    oversubscribe: bool = False
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema != SCHEMA_VERSION:
            raise InputError(f"schema {self.schema} of this run is not {SCHEMA_VERSION}, which this version reads")
        if (self.mode is Mode.LOAD) != (self.backbone == NO_BACKBONE):
            raise InputError(
                f"backbone {self.backbone!r} with mode {self.mode.value}: {NO_BACKBONE!r} is for load alone"
            )
        if self.model and self.mode is not Mode.INFER:
            raise InputError(f"model {self.model} with mode {self.mode.value}: a trained one is for infer alone")
        if not possible(self.engine, self.precision):
            raise InputError(f"precision {self.precision.value} is the extension's: it needs engine itex")
        if self.mode is not Mode.LOAD:
            if self.backbone not in BACKBONES:
                raise InputError(near_names("backbone", self.backbone, BACKBONES))
            smallest = BACKBONES[self.backbone].min_resolution
            _at_least("resolution", self.resolution, smallest, f" for {self.backbone}")
        for field in ("batch_size", "workers", "workers_per_node", "cores_per_worker", "steps"):
            _at_least(field, getattr(self, field), 1)
        _at_least("classes", self.classes, 2)
        _at_least("warmup_steps", self.warmup_steps, 1, " (the first step traces the graph)")
        _at_least("seed", self.seed, 0)
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate {self.learning_rate} is not a positive number")

    @property
    def global_batch_size(self) -> int:
        """Images per step over all workers."""
        return self.batch_size * self.workers

    @property
    def curve_name(self) -> str:
        """Short readable name of the scaling curve that the point lies on."""
        return (
            f"{self.mode.value}-{self.backbone}-{self.resolution}px-b{self.batch_size}"
            f"-{self.precision.value}-{self.engine.value}"
            + ("-gpu" if self.device is Device.GPU else "")
            + ("-stock" if self.runtime is Runtime.STOCK else "")
            + ("" if self.exchange else "-independent")
        )

    @property
    def name(self) -> str:
        """Short readable name of the point; unique within a campaign together with `key`."""
        return f"{self.curve_name}-w{self.workers}"

    @property
    def key(self) -> str:
        """Identity of the point: a hash of every field that changes what is computed.

        The data file counts by its name, not by the folder that it happens to lie in.
        """
        fields = msgspec.to_builtins(self) | {"data": Path(self.data).name}
        return hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()[:10]


class MemorySample(msgspec.Struct, frozen=True, kw_only=True):
    """Memory of one rank at the end of a phase, bytes.

    `peak_rss_bytes` is VmHWM; `pss_bytes` charges shared pages to their sharers in equal parts.
    """

    phase: str
    rss_bytes: int
    pss_bytes: int
    peak_rss_bytes: int


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What a trained network said of labelled images.

    label: (n,) their classes; probabilities: (n, classes), rounded to 6 digits
    """

    label: list[int]
    probabilities: list[list[float]]


class RankRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one rank measured, raw: nothing is averaged before it is stored.

    `step_time_s[i]` is the wall time of measured step i, from asking for its batch to its loss
    being known; `data_wait_s[i]` the part of it spent waiting for the batch.
    `warmup_step_time_s` holds the steps before, tracing included. `phase_time_s` splits the time
    from start of the process to the end. `loss` has one value a step, warm-up included (training).
    `peak_device_bytes` is of the rank's GPU, by TensorFlow's counters.
    `plain_read_time_s[i]` is what h5py alone took for the images of step i (loading). `answers` are
    rank 0's, where a trained model predicts: of the same images for every precision, engine and batch.
    """

    rank: int
    hostname: str
    boot_id: str
    pid: int
    cpus: list[int]
    step_time_s: list[float]
    data_wait_s: list[float]
    warmup_step_time_s: list[float]
    phase_time_s: dict[str, float]
    memory: list[MemorySample]
    peak_rss_bytes: int
    pss_bytes: int
    voluntary_context_switches: int
    involuntary_context_switches: int
    loss: list[float]
    parameters: int
    gradient_bytes: int
    checks: dict[str, str]
    environment: dict[str, str]
    plain_read_time_s: list[float] = []
    peak_device_bytes: int = 0
    answers: Answers | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One launch of one point: its spec, how it ended, and every rank's figures.

    Raises
    ------
    InputError: an unknown schema, or an `ok` record that lacks a rank
    """

    spec: RunSpec
    outcome: Outcome
    provenance: Provenance
    site: str
    launcher: str
    launch: int
    started_utc: str
    wall_s: float
    oversubscribed: bool = False
    argv: list[str] = []
    hosts: list[str] = []
    job: str = ""
    machine: dict[str, Any] = {}
    ranks: list[RankRecord] = []
    reason: str = ""
    failed_rank: int | None = None
    exit_code: int | None = None
    log: str = ""
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema != SCHEMA_VERSION:
            raise InputError(f"schema {self.schema} of this record is not {SCHEMA_VERSION}, which this version reads")
        if self.outcome is Outcome.OK and len(self.ranks) != self.spec.workers:
            raise InputError(f"an ok record of {self.spec.workers} workers holds {len(self.ranks)} ranks")
        if self.outcome is not Outcome.OK and not self.reason:
            raise InputError(f"a record with outcome {self.outcome.value} needs its reason")


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
        if msgspec.json.decode(content, type=_Versioned).schema == SCHEMA_VERSION:
            return msgspec.json.decode(content, type=kind)
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
        if part.get("schema") == 1:  # what schema 2 added has defaults
            part["schema"] = SCHEMA_VERSION
    return content
