"""Horovod's timeline: how long gradients were negotiated, copied and sent.

The file is a list of Chrome trace events (https://horovod.readthedocs.io/en/stable/timeline_include.html),
without its closing bracket where Horovod was still writing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

KINDS = {
    "negotiation": ("NEGOTIATE_",),
    "waiting": ("WAIT_FOR_DATA", "WAIT_FOR_OTHER_TENSOR_DATA", "QUEUE"),
    "fusion": ("MEMCPY_IN_FUSION_BUFFER", "MEMCPY_OUT_FUSION_BUFFER"),
    "allreduce": ("MPI_ALLREDUCE", "GLOO_ALLREDUCE", "NCCL_ALLREDUCE", "MPI_ADASUM"),
}
"""What Horovod calls its activities, gathered into what a reader asks for."""

MICROSECOND = 1e-6


def read_timeline(path: Path) -> list[dict[str, Any]]:
    """The events of a timeline; none where Horovod wrote none."""
    text = path.read_text().strip() if path.is_file() else ""
    if not text:
        return []
    events: list[dict[str, Any]] = json.loads(text if text.endswith("]") else text.rstrip(",") + "]")
    return [event for event in events if event]


def seconds_by_kind(events: list[dict[str, Any]]) -> dict[str, float]:
    """Seconds during which at least one tensor was in an activity of each kind (`KINDS`).

    Tensors that are fused share an activity, and each has it in a row of its own: so spans are joined, not added.
    """
    spans: dict[str, list[tuple[float, float]]] = {kind: [] for kind in KINDS}
    begun: dict[tuple[Any, Any], list[tuple[str, float]]] = defaultdict(list)
    for event in sorted((e for e in events if "ts" in e), key=lambda e: e["ts"]):
        row = event.get("pid"), event.get("tid")
        if event["ph"] == "B":
            begun[row].append((event.get("name", ""), event["ts"]))
        elif event["ph"] == "E" and begun[row]:
            _keep(spans, *begun[row].pop(), event["ts"])
        elif event["ph"] == "X":
            _keep(spans, event.get("name", ""), event["ts"], event["ts"] + event.get("dur", 0))
    return {kind: MICROSECOND * _covered(found) for kind, found in spans.items()}


def _keep(spans: dict[str, list[tuple[float, float]]], name: str, begin: float, end: float) -> None:
    for kind, prefixes in KINDS.items():
        if name.startswith(prefixes):
            spans[kind].append((begin, end))


def _covered(spans: list[tuple[float, float]]) -> float:
    """Length of the union."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total
