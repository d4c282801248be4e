"""From what a published record states to the model's inputs; what it leaves out gets a default, and a note says so."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.projection import constants
from bench.projection.allreduce import Fabric
from bench.projection.constants import Constants
from bench.projection.step import Work, alone, efficiency

MEGABYTE = 2**20
HOROVOD_FUSION_BYTES = 64 * MEGABYTE
BUCKET_BYTES = {"ddp": 25 * MEGABYTE, "pytorch": 25 * MEGABYTE}
"""What other frameworks fuse up to: PyTorch's DistributedDataParallel (its documentation)."""

DEFAULT_STEP_S = {"gpu": 0.4, "cpu": 2.0}
DEFAULT_GRADIENT_BYTES = 1e8

GPUS = (
    r"\bgpus?\b|nvidia|tesla|\b[vpkath]\d{2,3}\b|a100|h100|v100|p100|k80|pascal|volta|ampere|hopper|mi\d{2,3}|tpu|gaudi"
)
NVLINKS = r"nvlink|nvswitch|sxm|dgx|a100|h100|hgx"
SOCKETS = r"\btcp\b|socket|ipogif|ipoib|\bip interface|tcp/ip"
FAST = r"infiniband|\bib\b|rdma|roce|omni-?path|\bopa\b|aries|slingshot|\b[ehnfq]dr\b|efa\b|psm2|verbs"
HOST = r"host memory|\bmpi\b|mpi_allreduce|gloo|mlsl|oneccl|cpu allreduce|parameter server"
DEVICE = r"nccl|rccl|hccl"


@dataclass(frozen=True)
class Inputs:
    """What the model takes of a record, and what had to be assumed."""

    work: Work
    fabric: Fabric
    per_node: int
    baseline: int
    notes: list[str] = field(default_factory=list)


def inputs(record: Mapping[str, Any], known: Constants) -> Inputs:
    """A record's inputs. Nothing is taken of its efficiencies but the baseline's step."""
    notes: list[str] = []
    text = " ".join(str(record.get(name) or "") for name in ("network", "collective", "framework", "device")).lower()
    device = "gpu" if re.search(GPUS, str(record.get("device") or text).lower()) else "cpu"
    per_node = max(1, round(_number(record.get("workers_per_node")) or 1))
    baseline = max(1, round(_number(record.get("baseline_workers")) or 1))
    step_s = _step_s(record, device, notes)
    fabric = _fabric(record, known, text, device, notes)
    work = Work(
        compute_s=step_s,
        gradient_bytes=_gradient_bytes(record, notes),
        front_loading=_front_loading(record, notes),
        cycle_s=known.cycle_s if "horovod" in text else known.cycle_s / 10,
        fusion_bytes=next((size for name, size in BUCKET_BYTES.items() if name in text), HOROVOD_FUSION_BYTES),
        jitter=known.jitter_gpu if device == "gpu" else known.jitter_cpu,
        node_share=0.5,
        contention=known.contention,
        stolen=known.stolen,
    )
    return Inputs(alone(work, fabric, baseline, per_node, step_s), fabric, per_node, baseline, notes)


def predict(record: Mapping[str, Any], known: Constants) -> list[dict[str, Any]]:
    """One row a point beyond the baseline: predicted beside published efficiency, relative to the same baseline."""
    given = inputs(record, known)
    rows = []
    for point in record.get("points") or []:
        workers = round(_number(point.get("workers")) or 0)
        published = _number(point.get("efficiency"))
        if workers <= given.baseline or published is None:
            continue
        per_node = _per_node(point, workers, given.per_node)
        predicted = efficiency(workers, given.baseline, per_node, given.work, given.fabric)
        rows.append(
            {
                "id": record.get("id", ""),
                "source": record.get("source", ""),
                "workers": workers,
                "baseline_workers": given.baseline,
                "predicted_efficiency": predicted,
                "published_efficiency": published,
                "notes": given.notes,
            }
        )
    return rows


def _per_node(point: Mapping[str, Any], workers: int, usual: int) -> int:
    nodes = _number(point.get("nodes"))
    return max(1, round(workers / nodes)) if nodes else usual


def _fabric(record: Mapping[str, Any], known: Constants, text: str, device: str, notes: list[str]) -> Fabric:
    network = str(record.get("network") or "").lower()
    sockets = bool(re.search(SOCKETS, network)) or not re.search(FAST, network)
    host = not re.search(DEVICE, text) and (bool(re.search(HOST, text)) or device == "cpu")
    kind = "tcp" if sockets else "rdma"
    latency_s, gbit = constants.FABRICS[kind]
    stated = _number(record.get("node_bandwidth_Gbps"))
    if stated is None:
        notes.append(f"rate of a node assumed: {gbit:g} Gbit/s ({kind})")
    wire = (stated or gbit) * 1e9 / 8
    share = known.host_share if host else known.tcp_share if sockets else known.rdma_share
    reached = np.minimum(wire * share, known.socket_bandwidth) if sockets and not host else wire * share
    stated_latency = _number(record.get("latency_us"))
    if stated_latency is None:
        notes.append(f"latency assumed: {1e6 * latency_s:g} us ({kind})")
    near = "cpu" if device == "cpu" else "nvlink" if re.search(NVLINKS, text) else "pcie"
    local_latency_s, local_bandwidth = constants.LOCAL[near]
    return Fabric(
        latency_s=latency_s if stated_latency is None else stated_latency * 1e-6,
        node_bandwidth=reached,
        local_latency_s=local_latency_s,
        local_bandwidth=local_bandwidth,
        reduction_bandwidth=constants.REDUCTION_BANDWIDTH,
        staging_bandwidth=known.staging_bandwidth if host and device == "gpu" else 0.0,
        host=host,
    )


def _step_s(record: Mapping[str, Any], device: str, notes: list[str]) -> float:
    stated = _number(record.get("baseline_step_seconds"))
    if stated:
        return stated
    batch, rate = (_number(record.get(name)) for name in ("per_worker_batch", "baseline_per_worker_throughput"))
    if batch and rate and "second" not in str(record.get("throughput_unit") or ""):
        return batch / rate
    notes.append(f"step of one worker assumed: {DEFAULT_STEP_S[device]:g} s ({device})")
    return DEFAULT_STEP_S[device]


def _gradient_bytes(record: Mapping[str, Any], notes: list[str]) -> float:
    stated = _number(record.get("gradient_bytes"))
    if stated:
        return stated
    size = 2 if "16" in str(record.get("gradient_dtype") or "") else 4
    parameters = _number(record.get("parameter_count"))
    if parameters:
        return size * parameters
    name = re.sub(r"[^a-z0-9]", "", str(record.get("model") or "").lower())
    near = next((known for known in constants.PARAMETERS if known in name), None)
    near = near or next(iter(difflib.get_close_matches(name, constants.PARAMETERS, n=1)), None)
    if near:
        notes.append(f"parameters assumed to be those of {near}")
        return size * constants.PARAMETERS[near]
    notes.append(f"gradients assumed: {DEFAULT_GRADIENT_BYTES / 1e6:g} MB (model {record.get('model')!r} is unknown)")
    return DEFAULT_GRADIENT_BYTES


def _front_loading(record: Mapping[str, Any], notes: list[str]) -> float:
    found = constants.front_loading_of(str(record.get("model") or ""))
    if found is None:
        notes.append("gradients assumed to become ready as ResNet's")
    return found or constants.FRONT_LOADING["resnet"]


def _number(value: Any) -> float | None:
    """Zero, or a number of a size that a time, a count, a size or a rate can have; None for anything else.

    What lies outside (a step of 1e308 s) is a slip of the pen, and arithmetic on it would overflow.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if value == 0 or 1e-9 <= value <= 1e15 else None
