"""Numbers that others have published, `results/published/`: shown beside ours, never joined with them."""

from __future__ import annotations

from typing import Any

import msgspec
import pandas as pd

from bench import REPOSITORY
from deepgalaxy.words import Outcome, Provenance

PUBLISHED = REPOSITORY / "results" / "published"

GIGABYTE = 10**9


def paper_scaling() -> pd.DataFrame:
    """The paper's efficiencies (Fig. 7), in columns of `bench.analysis.scaling.scaling_table`; `note`: from where."""
    content = _paper()
    rows = [
        {**point, "speedup": point["efficiency"] * point["workers"], "site": content["source"]} | _kind()
        for point in content["scaling"]
    ]
    return pd.DataFrame(rows)


def paper_memory() -> pd.DataFrame:
    """The paper's memory footprints: mode, backbone, resolution, batch_size, peak_rss_bytes, note."""
    content = _paper()
    rows = [{**point, "peak_rss_bytes": point["gigabytes"] * GIGABYTE} for point in content["memory"]]
    return pd.DataFrame(rows).assign(site=content["source"], provenance=Provenance.PUBLISHED.value)


def _kind() -> dict[str, Any]:
    return {"provenance": Provenance.PUBLISHED.value, "outcome": Outcome.OK.value, "oversubscribed": False}


def _paper() -> dict[str, Any]:
    content: dict[str, Any] = msgspec.json.decode((PUBLISHED / "paper.json").read_bytes())
    return content
