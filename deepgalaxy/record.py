"""What ran: the other half of the contract between harness and worker, beside `deepgalaxy.spec`.

Plain data as JSON, and nothing heavy to import. Its schema is that of `deepgalaxy.spec`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from deepgalaxy.errors import InputError
from deepgalaxy.spec import SCHEMA_VERSION, RunSpec
from deepgalaxy.words import Outcome, Provenance


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


class StepSplit(msgspec.Struct, frozen=True, kw_only=True):
    """Three kinds of training step, taken in turn: (n,) wall times each, seconds, without the wait for data.

    whole_s: as measured; alone_s: without the exchange of gradients; compute_s: forward and backward pass alone.
    whole - alone is the communication that the computation does not hide, alone - compute the optimizer.
    """

    whole_s: list[float]
    alone_s: list[float]
    compute_s: list[float]


class OperatorCost(msgspec.Struct, frozen=True, kw_only=True):
    """One type of operation in a step, on one rank.

    count: runs a step; time_s: of all of them, seconds a step, which may overlap with others'
    flop: of convolutions and matrix products, a multiply-add counting as two; bytes_moved: of inputs and outputs, once
    each. 0 where it is not known.
    """

    operator: str
    count: float
    time_s: float
    flop: float
    bytes_moved: float


class ExchangeTimes(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of sums over all ranks, one after the other. way: `horovod`, as in training, or `mpi` alone."""

    way: str
    message_bytes: int
    time_s: list[float]


class RankRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one rank measured, raw: nothing is averaged before it is stored.

    `step_time_s[i]` is the wall time of measured step i, from asking for its batch to its loss
    being known; `data_wait_s[i]` the part of it spent waiting for the batch.
    `warmup_step_time_s` holds the steps before, tracing included. `phase_time_s` splits the time
    from start of the process to the end. `loss` has one value a step, warm-up included (training).
    `peak_device_bytes` is of the rank's GPU, by TensorFlow's counters.
    `plain_read_time_s[i]` is what h5py alone took for the images of step i (loading). `answers` are
    rank 0's, where a trained model predicts: of the same images for every precision, engine and batch.
    `exchange_s` is from Horovod's timeline: seconds a measured step by kind of activity, on rank 0.
    `flop_per_image` is the arithmetic of a step for one image (multiply and add count as two),
    `gemm_flop_per_s` the best that the rank's cores did on large matrix products in the run's
    precision, while all ranks did the same.
    `yardstick_time_s[i]` is what a fixed piece of arithmetic took right after measured step i, and no part of it.
    `operators` are of steps after the measured ones, under TensorFlow's profiler, on rank 0.
    `exchanges` are of messages of many sizes, after the measured steps; `computing_lost` is the share of
    computing that an exchange takes from the rank while it goes on.
    `machine_busy_share` is of emulated compute: the share of all the machine's cores' time that was used, by
    whatever, between the first gradient's readiness and the step's end, over the measured steps.
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
    split: StepSplit | None = None
    exchange_s: dict[str, float] = {}
    flop_per_image: float = 0.0
    gemm_flop_per_s: float = 0.0
    machine_busy_share: float = 0.0
    operators: list[OperatorCost] = []
    exchanges: list[ExchangeTimes] = []
    computing_lost: float = 0.0
    yardstick_time_s: list[float] = []
    plain_read_time_s: list[float] = []
    peak_device_bytes: int = 0
    answers: Answers | None = None


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One launch of one point: its spec, how it ended, and every rank's figures.

    beside: launches with which it shared the machine by turns, each as `key/launch` of its point

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
    beside: list[str] = []
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema != SCHEMA_VERSION:
            raise InputError(f"schema {self.schema} of this record is not {SCHEMA_VERSION}, which this version reads")
        ran = (Provenance.MEASURED, Provenance.EMULATED)
        if self.provenance in ran and self.provenance is not self.spec.provenance:
            raise InputError(f"a record of {self.spec.compute.value} compute can't be {self.provenance.value}")
        if self.outcome is Outcome.OK and len(self.ranks) != self.spec.workers:
            raise InputError(f"an ok record of {self.spec.workers} workers holds {len(self.ranks)} ranks")
        if self.outcome is not Outcome.OK and not self.reason:
            raise InputError(f"a record with outcome {self.outcome.value} needs its reason")
