"""The constants that no record states, adjusted together on many records, and what that is worth on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from bench.projection.constants import SPREAD, Constants
from bench.projection.published import predict

JOINT = (
    "tcp_share",
    "rdma_share",
    "socket_bandwidth",
    "host_share",
    "jitter_gpu",
    "jitter_cpu",
    "contention",
    "stolen",
)

Records = Sequence[Mapping[str, Any]]


def adjusted(records: Records, start: Constants) -> Constants:
    """Constants that suit all records best, held near `start`: a factor of `SPREAD` away weighs as an error of 0.05.

    The loss is soft (Huber's), so that one record that the model can't explain does not bend the others.
    """
    names = list(JOINT)

    def constants(logs: Any) -> Constants:
        values = {name: getattr(start, name) * np.exp(log) for name, log in zip(names, logs, strict=True)}
        values |= {name: min(values[name], 1.0) for name in names if name.endswith("_share")}
        return replace(start, **values)

    def residuals(logs: Any) -> Any:
        errors = errors_of(records, constants(logs))
        return np.concatenate([errors / 0.05, logs / np.log([SPREAD[name] for name in names])])

    found = least_squares(residuals, np.zeros(len(names)), loss="huber", diff_step=1e-3)
    return constants(found.x)


def errors_of(records: Records, constants: Constants) -> Any:
    """Predicted minus published efficiency of every point, (points,)."""
    rows = [row for record in records for row in predict(record, constants)]
    return np.array([float(row["predicted_efficiency"]) - row["published_efficiency"] for row in rows])


def leave_one_source_out(records: Records, start: Constants) -> dict[str, Any]:
    """By source: errors of its points under constants adjusted on all other sources, from `start`. It takes minutes."""
    sources = sorted({str(record.get("source")) for record in records})
    errors = {}
    for source in sources:
        others = [record for record in records if str(record.get("source")) != source]
        own = [record for record in records if str(record.get("source")) == source]
        errors[source] = errors_of(own, adjusted(others, start))
    return errors
