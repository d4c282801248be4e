"""Launches as lines of MLPerf's log, `:::MLLOG {...}` (github.com/mlcommons/logging).

Only the form is MLPerf's: these runs follow none of its rules of training to a target, and their benchmark is named
`deepgalaxy`, which is none of MLPerf's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from bench.analysis.intervals import throughput
from bench.analysis.scaling import steady_launches
from deepgalaxy.record import RunRecord
from deepgalaxy.words import Outcome, Precision

TOKEN = ":::MLLOG "
MEASURE = "measure"
"""The worker's phase that `run_start` and `run_stop` enclose."""


def as_mllog(records: Iterable[RunRecord]) -> bytes:
    """Lines of all launches, in the order in which they started; failed ones have the status `aborted`.

    A launch begins with `init_start` and ends with `run_stop`. Every line's metadata names the point, the launch and
    the provenance; `run_stop` also the outcome and, of a failed launch, the reason. Figures are the value of
    `tracked_stats`. The times of a good launch follow from its start and rank 0's phases (without the launcher's own
    time, which no rank knows), those of a failed one from its start and its wall time.
    """
    ordered = sorted(records, key=lambda record: record.started_utc)
    return b"".join(line for record in ordered for line in _lines(record))


def _lines(record: RunRecord) -> list[bytes]:
    spec, good = record.spec, record.outcome is Outcome.OK
    start, run, stop = _times_ms(record)
    common = {
        "point": f"{spec.name}-{spec.key}",
        "launch": record.launch,
        "provenance": record.provenance.value,
        "oversubscribed": record.oversubscribed or spec.oversubscribe,
    }
    ending = {"status": "success" if good else "aborted", "outcome": record.outcome.value}
    if record.reason:
        ending["reason"] = record.reason
    settings = {
        "submission_benchmark": "deepgalaxy",
        "submission_platform": record.site,
        "seed": spec.seed,
        "global_batch_size": spec.global_batch_size,
        "number_of_ranks": spec.workers,
        "lowest_numerical_precision_in_linear": "fp32" if spec.precision is Precision.FP32 else "bfloat16",
        "opt_name": spec.optimizer,
        "opt_base_learning_rate": spec.learning_rate,
    }
    lines = [_line(start, "INTERVAL_START", "init_start", None, common)]
    lines += [_line(start, "POINT_IN_TIME", key, value, common) for key, value in settings.items()]
    lines.append(_line(run, "INTERVAL_END", "init_stop", None, common))
    lines.append(_line(run, "INTERVAL_START", "run_start", None, common))
    if good:
        lines.append(_line(stop, "POINT_IN_TIME", "tracked_stats", _figures(record), common))
    return [*lines, _line(stop, "INTERVAL_END", "run_stop", None, common | ending)]


def _figures(record: RunRecord) -> dict[str, float]:
    (steps,), images = steady_launches([record])
    speed = throughput(steps, images)
    return {
        "throughput_images_per_s": speed,
        "step_time_s": images / speed,
        "steps": steps.shape[1],
        "peak_rss_bytes": max(rank.peak_rss_bytes for rank in record.ranks),
    }


def _times_ms(record: RunRecord) -> tuple[int, int, int]:
    """Start of the launch, start and end of its measured part: milliseconds since 1970."""
    start = datetime.fromisoformat(record.started_utc).timestamp()
    phases = record.ranks[0].phase_time_s if record.ranks else {}
    if MEASURE not in phases:
        return round(1e3 * start), round(1e3 * start), round(1e3 * (start + record.wall_s))
    names = list(phases)
    run = start + sum(phases[name] for name in names[: names.index(MEASURE)])
    return round(1e3 * start), round(1e3 * run), round(1e3 * (run + phases[MEASURE]))


def _line(time_ms: int, event: str, key: str, value: Any, metadata: dict[str, Any]) -> bytes:
    content = {
        "namespace": "",
        "time_ms": time_ms,
        "event_type": event,
        "key": key,
        "value": value,
        "metadata": metadata,
    }
    return TOKEN.encode() + msgspec.json.encode(content) + b"\n"
